"""Arguments and help texts of each `scribe` command; the implementation is imported when a command runs."""
