"""Container formats: detection, the start of the recording in the file, and the length that the header announces."""
