"""First-seen rule: of several records of one request only the first is processed, unless its end is lost."""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from schemas.events import JobRequested
from schemas.requests.identity import request_digest
from schemas.wire.headers import Origin

T = TypeVar("T")
Key = tuple[str, UUID, int, bytes]
REMEMBERED = 10_000  # ended jobs; about 5 MB


class DuplicateVerdict(StrEnum):
    """Decision about a record of a request."""

    RUN = "run"
    WAIT = "wait"  # for the end of another record of the same job
    SKIP = "skip"


def key_of(request: JobRequested) -> Key:
    """Key that identifies equal work: tenant, job, run, and the digest of the request.

    A different request under the same id is separate work: the database decides which of the two is the job, and an
    accepted job of a client must get its result whatever others send.
    """
    return request.tenant, request.job_id, request.run, request_digest(request)


@dataclass(slots=True)
class _Flight(Generic[T]):
    origin: Origin
    holder: T
    waiting: list[T] = field(default_factory=list)


class FirstSeen(Generic[T]):
    """The first record of each job, by origin, so that its own retries and re-reads are not taken for duplicates.

    A record is skipped only after the end of the first was committed; until then it waits, and runs itself when the
    first is dropped or put off. A `T` is what runs, known by identity.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._ended: OrderedDict[Key, Origin] = OrderedDict()
        self._flights: dict[Key, _Flight[T]] = {}

    def claim(self, key: Key, origin: Origin, runner: T) -> DuplicateVerdict:
        """Whether `runner` may begin; one that must wait is handed back by `end`."""
        if (ended := self._ended.get(key)) is not None:
            self._ended.move_to_end(key)
            return DuplicateVerdict.RUN if ended == origin else DuplicateVerdict.SKIP
        flight = self._flights.get(key)
        if flight is None:
            self._flights[key] = _Flight(origin, runner)
            return DuplicateVerdict.RUN
        if flight.origin == origin:
            # read again after its partition went and came back: what held it before cannot commit any more
            flight.holder = runner
            return DuplicateVerdict.RUN
        flight.waiting.append(runner)
        return DuplicateVerdict.WAIT

    def waiting(self) -> list[T]:
        """Runners that wait for the end of another record of their job."""
        return [runner for flight in self._flights.values() for runner in flight.waiting]

    def end(self, key: Key, runner: T, final: bool) -> list[T]:
        """Note that `runner` has ended; returns the runners that waited for it.

        `final`: the end of the job was committed. One that was dropped or will be tried again is forgotten: its next
        attempt may come to another process, and two processes must not each skip what the other remembers.
        """
        flight = self._flights.get(key)
        if flight is None or flight.holder is not runner:
            return []
        if final:
            self._ended[key] = flight.origin
            if len(self._ended) > self._remembered:
                self._ended.popitem(last=False)
        return self._flights.pop(key).waiting
