"""PostgreSQL itself: connections, transactions, locks, migrations, reads from a replica."""
