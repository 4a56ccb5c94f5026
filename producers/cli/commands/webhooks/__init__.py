"""Arguments and options of the commands over webhooks."""
