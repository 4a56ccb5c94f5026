"""Messages to users of the command line, and exit codes of commands."""
