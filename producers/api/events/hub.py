"""The source of all event streams of the process: one query for all followers, however many there are."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from producers.api.http.shared_poll import SharedPoll
from schemas.errors import Rejected
from sink.jobs.changes import (
    JobChange,
    RunningJob,
    changes_after,
    forget_foreign_transactions,
    position_now,
    running_jobs,
)
from sink.postgres.database import Database

PAUSE = 0.25  # seconds between two looks
PROGRESS_LOOKS = 4  # every so many looks the progress of running jobs is read too
MOST_UNREAD = 500  # windows that wait for a client that does not read; then its stream ends, and it may come back


@dataclass(frozen=True, slots=True)
class EventWindow:
    """The changes between two looks: what the snapshot `after` sees and `before` does not."""

    before: str
    after: str
    changes: tuple[JobChange, ...] = ()
    progress: tuple[RunningJob, ...] = ()


@dataclass(eq=False)
class Follower:
    """A stream of one tenant, or of one of its jobs; the first of its windows only says where it begins."""

    tenant: str
    job_id: UUID | None
    joined: bool = False
    windows: "asyncio.Queue[EventWindow | None]" = field(default_factory=lambda: asyncio.Queue(MOST_UNREAD))

    def wants(self, found: JobChange | RunningJob) -> bool:
        """Whether this follower follows the job."""
        return found.tenant == self.tenant and self.job_id in (None, found.job_id)

    def window(
        self, before: str, after: str, changes: Iterable[JobChange], progress: Iterable[RunningJob]
    ) -> EventWindow | None:
        """The part of a look that is of the jobs that are followed, None when there is none."""
        own = tuple(change for change in changes if self.wants(change))
        moved = tuple(job for job in progress if self.wants(job))
        return EventWindow(before, after, own, moved) if own or moved else None

    def tell(self, window: EventWindow | None) -> None:
        """Hand over a window; with None, or with one too many, the stream ends."""
        if window is None or self.windows.full():
            while not self.windows.empty():
                self.windows.get_nowait()
            window = None
        self.windows.put_nowait(window)


class EventHub:
    """Tells followers what happens to jobs; it asks the database only while there are some."""

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._followers: set[Follower] = set()
        self._poll = SharedPoll("event streams", lambda: bool(self._followers) and not self._stopped)
        self._looks = 0
        self._progress: dict[UUID, RunningJob] = {}
        self._stopped = False
        self.position = ""
        """The snapshot of the last look; a follower that has read all its windows was told all that it sees."""

    @asynccontextmanager
    async def follow(self, database: Database, tenant: str, job_id: UUID | None) -> AsyncIterator[Follower]:
        """A follower until the end of the block; raises Rejected(unavailable) once this is stopped."""
        if self._stopped:
            raise Rejected("unavailable", "this process is about to end: ask again")
        follower = Follower(tenant, job_id)
        self._followers.add(follower)
        if self._poll.begin(partial(self._look, database)):
            self._looks, self.position = 0, ""
            self._progress.clear()
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def stop(self) -> None:
        """End all streams, since the process ends: clients come back to another one, where theirs ended."""
        self._stopped = True
        for follower in self._followers:
            follower.tell(None)

    async def _look(self, database: Database) -> float:
        """Tell everybody what happened since the last look, and those who join where they begin.

        Returns the seconds until the next look, which goes on at the same position when this one fails.
        """
        present = tuple(self._followers)  # whoever joins meanwhile begins at the next look
        tenants = {follower.tenant for follower in present}
        before = self.position
        if before:
            after, changes = await changes_after(database, before, tenants)
        else:
            await forget_foreign_transactions(database)
            after, changes = await position_now(database), []
        with_progress = self._looks % PROGRESS_LOOKS == 0
        progress = self._moved(await running_jobs(database, tenants)) if with_progress else []
        for follower in present:
            if not follower.joined:
                follower.joined = True
                follower.tell(EventWindow(after, after))
            elif window := follower.window(before, after, changes, progress):
                follower.tell(window)
        self._looks, self.position = self._looks + 1, after
        return self._pause

    def _moved(self, running: Iterable[RunningJob]) -> list[RunningJob]:
        """Jobs whose progress is another one than at the last look."""
        found = {job.job_id: job for job in running}
        moved = [job for job_id, job in found.items() if self._progress.get(job_id) != job]
        self._progress = found
        return moved
