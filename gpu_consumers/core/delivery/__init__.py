"""Delivery decisions, pure: which record is worked on when, how it ends, and what may be committed."""
