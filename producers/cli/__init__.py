"""The `scribe` command, one file a concern."""
