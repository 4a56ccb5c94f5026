"""What every process needs to live and to end: health, termination, cancellations that arrive."""
