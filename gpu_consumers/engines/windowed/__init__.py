"""Transcription window by window, the same for every speech model: it needs nothing but a Recognizer."""
