"""Results of jobs over REST: transcripts and their revisions, recordings to listen to, summaries and entities."""
