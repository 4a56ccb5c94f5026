"""Transcripts on the command line: read, corrected and searched."""
