"""The recordings of the demo and the tests, with reference transcripts."""
