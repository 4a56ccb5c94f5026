"""Transcripts in the database: revisions that people make, full-text search over all of a tenant."""
