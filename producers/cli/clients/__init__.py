"""Clients of the command line: REST, the object store, and processes of the service."""
