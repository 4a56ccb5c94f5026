"""One job's way through a worker: decode, claim, run, end."""
