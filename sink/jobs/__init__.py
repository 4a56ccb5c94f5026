"""Jobs in PostgreSQL: accepted, listed, moved on by events, searched, and announced through the outbox."""
