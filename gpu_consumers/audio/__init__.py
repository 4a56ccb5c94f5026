"""Recordings: container formats, time stamps, channels, and decoded samples."""
