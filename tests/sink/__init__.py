"""The edges, on a real database, a real object store and real sockets."""
