"""Validation of requests for a transcript: limits, names, identity, and messages about mistakes."""
