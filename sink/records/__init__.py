"""Facts about Kafka records that are not in their events: crash marks, skip orders, schema ids."""
