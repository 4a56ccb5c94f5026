"""What is known of Kafka records beside their events: marks, skips, and the ids of schemas."""
