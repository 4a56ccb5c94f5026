"""What each command of `scribe` takes and says of itself; the work is imported when it is done."""
