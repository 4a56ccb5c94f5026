"""Models onto this machine: downloaded pinned, checked, converted; nothing of what is downloaded is ever run."""
