"""Waiting for the end of jobs: one query in the process for all requests that wait, however many there are."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from uuid import UUID

from producers.api.http.shared_poll import SharedPoll
from schemas.errors import Rejected
from sink.jobs.queries import ended_among
from sink.postgres.database import Database

LEAST_PAUSE, MOST_PAUSE = 0.05, 1.0
READERS = 4  # fewer than connections to the database, so that a submission always finds one
_SHARE = 0.1


def poll_pause(youngest_seconds: float) -> float:
    """Seconds until the next look, when the youngest request has waited so long: a tenth of that, so that none waits much longer than it must."""
    return min(MOST_PAUSE, max(LEAST_PAUSE, _SHARE * youngest_seconds))


class EndWatcher:
    """Lets requests wait for the ends of jobs; its queries run only while one waits."""

    def __init__(self, pause: Callable[[float], float] = poll_pause) -> None:
        self._pause = pause
        self._waiting: dict[UUID, set[asyncio.Future[None]]] = defaultdict(set)
        self._youngest_since = 0.0
        self._poll = SharedPoll("answers at the end of jobs", lambda: bool(self._waiting))
        self._stopped = False
        self.reading = asyncio.Semaphore(READERS)
        """Held while the transcript of a job that has ended is read: many may end in one moment."""

    @property
    def waiting(self) -> int:
        """The number of requests that wait."""
        return sum(map(len, self._waiting.values()))

    async def ended(self, database: Database, job_id: UUID, seconds: float) -> bool:
        """Whether a job ends, or is erased, within so many seconds; raises Rejected(unavailable) once this is stopped."""
        if self._stopped:
            raise _stopping()
        loop = asyncio.get_running_loop()
        end: asyncio.Future[None] = loop.create_future()
        self._waiting[job_id].add(end)
        self._youngest_since = loop.time()
        self._poll.begin(partial(self._look, database))
        try:
            async with asyncio.timeout(seconds):
                await end
        except TimeoutError:
            return False
        finally:
            self._leave(job_id, end)
        return True

    def stop(self) -> None:
        """Let nobody wait any more, since the process ends; clients that ask again find another one, and the same job."""
        self._stopped = True
        for ends in self._waiting.values():
            for end in ends:
                if not end.done():
                    end.set_exception(_stopping())

    def _leave(self, job_id: UUID, end: asyncio.Future[None]) -> None:
        self._waiting[job_id].discard(end)
        if not self._waiting[job_id]:
            del self._waiting[job_id]

    async def _look(self, database: Database) -> float:
        """Tell of the jobs that have ended; returns the seconds until the next look."""
        pause = self._pause(asyncio.get_running_loop().time() - self._youngest_since)
        self._tell(await ended_among(database, list(self._waiting)))
        return pause

    def _tell(self, jobs: set[UUID]) -> None:
        for job_id in jobs:
            for end in self._waiting.get(job_id, ()):
                if not end.done():
                    end.set_result(None)


def _stopping() -> Rejected:
    return Rejected("unavailable", "this process is being exchanged, and the job goes on")
