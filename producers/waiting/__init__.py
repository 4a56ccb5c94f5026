"""Explanation of a job's wait: facts from the database, Kafka and processes, and one rule over them."""
