"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable

SECONDS = 90.0


def wait_for(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
