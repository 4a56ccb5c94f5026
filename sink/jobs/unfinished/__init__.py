"""Jobs that have not ended: why one waits, which have stalled, and how much work all of them are."""
