"""The retention process: expired data, erasures, orphaned objects, stalled jobs."""
