"""Recordings into transcripts: the consumer groups that fetch, transcribe, diarize and emit results."""
