"""Messages to people at a terminal, and the exit codes of commands."""
