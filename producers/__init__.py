"""Events into Kafka: the publisher, the outbox relay, the REST shim and the `scribe` command."""
