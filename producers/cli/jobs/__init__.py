"""Commands over jobs."""
