"""Engines behind two protocols: Transcriber and Diarizer, their models and their checkpoints."""
