"""Notice about a system that does not answer, once that takes longer than expected."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

log = logging.getLogger(__name__)
NOTICE_SECONDS = 2.0


@contextmanager
def waiting_for(what: str, seconds: float = NOTICE_SECONDS) -> Iterator[None]:
    """Log a notice that `what` is waited for after `seconds`."""
    timer = Timer(seconds, log.warning, ("still waiting for %s", what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
