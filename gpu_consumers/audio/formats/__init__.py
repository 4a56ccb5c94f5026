"""Bytes of a file: which container it is, where its recording begins, and what its header announces."""
