"""Requests and answers as values, when to send again, event streams, and the two ways to send."""
