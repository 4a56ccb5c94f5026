"""What lies in records: events as bytes and back, their schemas over time, headers, keys and offset metadata."""
