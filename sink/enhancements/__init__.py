"""Enhancements in PostgreSQL: requests for them, and the calls that fulfil them."""
