"""Wire format of records: event encoding, schema evolution, headers, keys and offset metadata."""
