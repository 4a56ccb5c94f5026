"""Transcripts as people read them: text, subtitles, JSON."""
