"""Kafka as producers and operators use it: publishing, topics, what they hold, offsets of groups."""
