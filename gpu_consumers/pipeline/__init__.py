"""The two stages of a job: transcription of a recording, then diarization of its words."""
