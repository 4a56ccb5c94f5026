"""Jobs as they are accepted, and recordings on their way: all that comes in."""
