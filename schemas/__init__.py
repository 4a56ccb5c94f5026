"""What two processes must agree on: events, topics, headers, errors, settings, metrics. No I/O clients."""
