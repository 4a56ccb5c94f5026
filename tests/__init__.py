"""Every promise with its test, on real Kafka, PostgreSQL, S3 and models."""
