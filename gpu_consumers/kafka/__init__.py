"""Kafka access of the GPU consumers: partitions, transactions, control topics, progress."""
