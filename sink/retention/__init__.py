"""Deletion of data: expired data, and erasures on request."""
