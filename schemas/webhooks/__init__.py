"""Webhook payloads: the shapes that define code, schema and documentation."""
