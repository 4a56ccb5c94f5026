"""A word to whoever waits: what it is that does not answer, once that takes longer than one expects."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

log = logging.getLogger(__name__)
NOTICE_SECONDS = 2.0


@contextmanager
def waiting_for(what: str, seconds: float = NOTICE_SECONDS) -> Iterator[None]:
    """Log `what` is waited for when that has lasted for `seconds`."""
    timer = Timer(seconds, log.warning, ("still waiting for %s", what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
