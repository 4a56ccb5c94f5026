"""The retention process: expired data, erasures, orphaned objects, jobs that do not move."""
