"""Commands over webhooks."""
