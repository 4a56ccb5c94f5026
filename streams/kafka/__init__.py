"""Faust's Kafka transport made safe: what is read, what is committed, and what strangers write."""
