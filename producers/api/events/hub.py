"""The source of all event streams of the process: one query for all followers, however many there are.

It polls, as the wait for the ends of jobs does: a notification would not come through a proxy that pools transactions.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from schemas.errors import Outage, Rejected
from schemas.retries.schedules import OUTAGES
from sink.jobs.changes import (
    JobChange,
    RunningJob,
    changes_after,
    forget_foreign_transactions,
    position_now,
    running_jobs,
)
from sink.postgres.database import Database
from sink.process.cancellation import set_within

log = logging.getLogger(__name__)
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
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
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
        self._news.set()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(database))
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def stop(self) -> None:
        """End all streams, since the process ends: clients come back to another one, where theirs ended."""
        self._stopped = True
        for follower in self._followers:
            follower.tell(None)

    async def _look(self, database: Database) -> None:
        """Look for changes until nobody follows; whatever goes wrong, it goes on where it was."""
        looks, failures = 0, 0
        try:
            while self._followers and not self._stopped:
                self._news.clear()
                joining = {follower for follower in self._followers if not follower.joined}
                try:
                    self.position = await self._tell_all(
                        database, self.position, joining, with_progress=looks % PROGRESS_LOOKS == 0
                    )
                    looks, failures = looks + 1, 0
                    pause = self._pause
                except Exception as error:  # noqa: BLE001 - who follows hears of nothing else
                    failures += 1
                    pause = OUTAGES.wait(failures)
                    say = log.warning if isinstance(error, Outage) else log.exception
                    say("event streams wait for the database: %s", error)
                await set_within(self._news, pause)  # at once for somebody new
        finally:
            self._looking = None
            self._progress.clear()
            self.position = ""  # nobody follows any more, so the next one begins anew
            if self._followers and not self._stopped:  # who came at the last moment
                self._looking = asyncio.create_task(self._look(database))

    async def _tell_all(self, database: Database, before: str, joining: set[Follower], *, with_progress: bool) -> str:
        """Tell everybody what happened since `before`, and those who join where they begin; returns the new position."""
        tenants = {follower.tenant for follower in self._followers}
        if before:
            after, changes = await changes_after(database, before, tenants)
        else:
            await forget_foreign_transactions(database)
            after, changes = await position_now(database), []
        progress = self._moved(await running_jobs(database, tenants)) if with_progress else []
        for follower in tuple(self._followers):
            if follower in joining:
                follower.joined = True
                follower.tell(EventWindow(after, after))
            elif follower.joined:
                _tell(follower, EventWindow(before, after), changes, progress)
        return after

    def _moved(self, running: Iterable[RunningJob]) -> list[RunningJob]:
        """Jobs whose progress is another one than at the last look."""
        found = {job.job_id: job for job in running}
        moved = [job for job_id, job in found.items() if self._progress.get(job_id) != job]
        self._progress = found
        return moved


def _tell(
    follower: Follower, window: EventWindow, changes: Iterable[JobChange], progress: Iterable[RunningJob]
) -> None:
    own = tuple(change for change in changes if follower.wants(change))
    moved = tuple(job for job in progress if follower.wants(job))
    if own or moved:
        follower.tell(EventWindow(window.before, window.after, own, moved))
