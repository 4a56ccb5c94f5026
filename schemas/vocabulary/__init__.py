"""Words that inputs may hold, and what is said of those that they may not."""
