"""Tenants: permissions, quotas, consent, and retention of their data."""
