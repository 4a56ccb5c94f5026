"""Transcription window by window, the same for every speech model: it needs only a Recognizer."""
