"""Real Kafka, PostgreSQL, S3 and a schema registry on this machine, from pip and pinned artifacts."""
