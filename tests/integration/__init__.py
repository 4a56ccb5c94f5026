"""Whole processes on a real broker, database and object store, one concern a file."""
