"""REST operations over jobs and their transcripts, enhancements and erasures."""
