"""HTTP to addresses that strangers name: checked before each connection, bounded in every amount."""
