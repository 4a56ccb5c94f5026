"""What `scribe webhooks` takes."""
