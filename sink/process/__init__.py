"""Lifecycle of a process: health, termination, reliable cancellation."""
