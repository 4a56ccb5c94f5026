"""Result routing: results go to the topic of all results, or to another one that a replay names in a header."""

import time
from collections.abc import Callable
from dataclasses import replace

from schemas.errors import Permanent
from schemas.events import JobResult
from schemas.topics import may_take_results
from schemas.wire.headers import REPLAY_ID, RESULTS_TO, Headers
from schemas.wire.records import Record

REMEMBERED_SECONDS = 60.0
REPLAY_ID_CHARS = 36


def _no_topic(_: str) -> bool:
    """No replay topic exists, where no broker is available."""
    return False


class ResultRouting:
    """Chooses the topics of results; thread-safe. `exists` says whether the broker has a topic and raises Outage."""

    def __init__(self, exists: Callable[[str], bool] = _no_topic) -> None:
        self._exists = exists
        self._known: dict[str, float] = {}

    def rejection(self, headers: Headers) -> Permanent | None:
        """The error of a job whose result topic is missing, which would block all others; None when it exists."""
        name = headers.get(RESULTS_TO)
        if name is None or self._is_there(name):
            return None
        return unwritable(name)

    def forget(self) -> None:
        """Forget which topics exist, since one may have been deleted."""
        self._known.clear()

    def _is_there(self, name: str) -> bool:
        if not may_take_results(name):
            return False
        if time.monotonic() - self._known.get(name, -REMEMBERED_SECONDS) < REMEMBERED_SECONDS:
            return True
        if not self._exists(name):
            return False
        self._known[name] = time.monotonic()
        return True


def unwritable(name: str) -> Permanent:
    """The error of a job whose result no topic accepts."""
    return Permanent("invalid_request", f"no result can be written to the topic '{name}'")


def routed(record: Record, event: object, headers: Headers) -> Record:
    """The record of an event caused by a record with `headers`, which name the results' topic or travel on."""
    topic = headers.get(RESULTS_TO)
    if topic is None:
        return record
    own = {RESULTS_TO: topic, REPLAY_ID: headers.get(REPLAY_ID, "")[:REPLAY_ID_CHARS]}
    target = topic if isinstance(event, JobResult) else record.topic
    return replace(record, topic=target, headers={**record.headers, **own})
