"""Rules by which waiting jobs are served, for the GPU processes that do it and for all that estimate it."""

EXPRESS_WEIGHT = 3.0
"""Of four seconds of audio so many are express, while both priorities have work."""
BYTES_PER_SECOND = 16_000
"""Of a recording whose size is all that is known: 128 kbit/s."""
UNKNOWN_SECONDS = 60.0
"""Length of a recording of which not even that is known."""
MOST_SECONDS = 43_200.0
"""The longest that a recording is taken to be, whatever its request says."""
