"""Which record is worked on when, what became of it, and what may be committed: pure decisions."""
