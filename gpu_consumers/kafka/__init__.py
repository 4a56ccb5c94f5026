"""Kafka as the GPU consumers use it: partitions, transactions, topics of orders, progress."""
