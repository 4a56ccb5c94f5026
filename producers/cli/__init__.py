"""The `scribe` command, with one file for each subject."""
