"""Resending of records: dead letters, replays, and records that a group skips."""
