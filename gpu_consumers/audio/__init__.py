"""Recordings: what a file holds, when it was said, on which channels, and the samples of it."""
