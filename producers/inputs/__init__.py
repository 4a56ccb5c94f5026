"""Strict reading of external input: JSON, id prefixes, and validation errors."""
