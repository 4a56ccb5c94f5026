"""Transcripts and recordings on the command line: read, downloaded, corrected and searched."""
