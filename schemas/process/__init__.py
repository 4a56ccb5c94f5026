"""Common parts of all processes: command line, logs, printing, and failpoints for tests."""
