"""Enhancements in PostgreSQL: requests for them, and the calls that serve them."""
