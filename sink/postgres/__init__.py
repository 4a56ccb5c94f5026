"""PostgreSQL itself: connections, transactions, locks, migrations, reading from a replica."""
