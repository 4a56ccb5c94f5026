"""Revisions: what people change in a transcript, kept beside the one that a machine made."""
