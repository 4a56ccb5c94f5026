"""Data that are deleted: what has expired, and what somebody wants erased."""
