"""Commands that follow jobs: to their end, or event by event."""
