"""Transcripts on the command line: read and searched."""
