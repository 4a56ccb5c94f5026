"""The HTTP server under the REST shim: connections, limits for clients, middleware."""
