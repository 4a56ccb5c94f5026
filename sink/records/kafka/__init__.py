"""The way to the broker that carries the records: TLS, users and tokens, and the rights of each process."""
