"""Kafka for producers and operators: publishing, topics and their contents, offsets of groups."""
