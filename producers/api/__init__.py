"""The REST shim: plain HTTP in, job rows with their outbox rows out."""
