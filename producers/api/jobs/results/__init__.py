"""Results of jobs over REST: transcripts, recordings to listen to, summaries and entities."""
