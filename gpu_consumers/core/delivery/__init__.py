"""Delivery decisions, pure: the order of work, the end of each record, and the position to commit."""
