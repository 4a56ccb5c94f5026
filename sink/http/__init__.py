"""HTTP to untrusted addresses: checked before each connection, with a limit on every amount."""
