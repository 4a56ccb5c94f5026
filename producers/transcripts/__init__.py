"""Transcripts in forms for people: text, subtitles, JSON."""
