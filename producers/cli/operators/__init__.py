"""Commands for operators who can reach the database or Kafka."""
