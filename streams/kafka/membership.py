"""Membership losses of a Faust app: two processes with one name put each other out of the group for ever."""

import logging
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)
COORDINATOR = "aiokafka.consumer.group_coordinator"
_LOST = "local member_id was not recognized"  # aiokafka's words, there is no other sign of it
OFTEN = 3
SECONDS = 300.0


class MembershipLosses(logging.Handler):
    """Counts how often the broker did not know this member any more; names the cause when it happens again and again."""

    def __init__(self, worker_id: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._worker_id = worker_id
        self._clock = clock
        self._losses: deque[float] = deque(maxlen=OFTEN)

    def install(self) -> "MembershipLosses":
        """Listen to what aiokafka says of the group."""
        logging.getLogger(COORDINATOR).addHandler(self)
        return self

    @property
    def reason(self) -> str | None:
        """The reason why the process gets nothing done; None while losses are rare, or it has no name of its own."""
        if self._worker_id is None or len(self._losses) < OFTEN or self._clock() - self._losses[0] > SECONDS:
            return None
        return (
            f"the broker has put this process out of its group {OFTEN} times within {SECONDS / 60:g} minutes: another"
            f" one has the name '{self._worker_id}', too; give each its own SCRIBE_WORKER_ID"
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Count a loss."""
        if _LOST not in record.getMessage():
            return
        self._losses.append(self._clock())
        if reason := self.reason:
            log.error("%s", reason)
