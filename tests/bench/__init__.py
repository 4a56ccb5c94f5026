"""Measurements, each with the command that repeats it, and short forms of them as tests."""
