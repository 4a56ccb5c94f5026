"""What a request for a transcript may say, and how a mistake in it is named."""
