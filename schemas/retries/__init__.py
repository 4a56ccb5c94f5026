"""Retry schedules: the times of further attempts after failures."""
