"""Transcripts in the database: full-text search over all of a tenant."""
