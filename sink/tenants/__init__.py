"""Tenants in PostgreSQL: policies, API keys, legal holds."""
