"""Webhooks in PostgreSQL: endpoints with their secrets, deliveries with their attempts, signatures."""
