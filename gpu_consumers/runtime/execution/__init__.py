"""Execution of one job in a worker: decode, claim, run, end."""
