"""Consumer groups that turn recordings into transcripts: they fetch, transcribe, diarize and emit results."""
