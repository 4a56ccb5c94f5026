"""Contracts between processes: events, topics, headers, errors, settings, metrics. No I/O clients."""
