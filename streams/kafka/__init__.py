"""Safe Kafka transport for Faust: fetching, commits, and tolerance of unreadable records."""
