"""The object store, addresses of objects, and room on the local disk."""
