"""One suite a port: the real adapter and its in-memory twin pass the same tests."""
