"""Tools that check and run the service: local stack, demo, lock files, gates; not part of the installed packages."""
