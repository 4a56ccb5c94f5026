"""Orphaned objects: uploads that no job names, objects of jobs without a row, unfinished multipart uploads."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar
from uuid import UUID

from schemas import metrics
from schemas.errors import Outage
from schemas.ports import ObjectStore, StoredObject
from schemas.tenants.retention import REPLAY_DAYS, UPLOAD_DAYS
from schemas.wire.object_keys import JOB_FOLDERS, TENANT, job_prefix, upload_key, uploads_prefix
from sink.postgres.database import Connection, Database
from sink.retention.expiry import known_jobs, known_uploads, wholly_held
from sink.retention.leader import RetentionSession

log = logging.getLogger(__name__)

BATCH = 500
PARTS_DAYS = 2  # a signed request to go on with an upload lives for seven days at most, and ours take hours
LABEL = "orphans"
T = TypeVar("T")


class Orphans:
    """Finds and deletes orphaned objects; `now` is the clock."""

    def __init__(
        self, database: Database, store: ObjectStore, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._store = store
        self._now = now

    async def run(self, session: RetentionSession, stop: asyncio.Event) -> bool:
        """Scan the whole bucket; False when a system was away or `stop` was set."""
        ended = await self._end_uploads()
        try:
            for tenant in await asyncio.to_thread(lambda: list(self._store.folders(""))):
                # the bucket may hold what is not ours
                if TENANT.fullmatch(tenant) and not stop.is_set():
                    await self._tenant(session, tenant, stop)
        except Outage as error:
            log.warning("waiting: %s", error)
            return False
        return ended and not stop.is_set()

    async def _end_uploads(self) -> bool:
        try:
            await asyncio.to_thread(self._store.abort_uploads, self._now() - timedelta(days=PARTS_DAYS))
        except Exception:  # a store may not know the request; all the rest must not wait for it
            log.exception("uploads in parts are not ended")
            return False
        return True

    async def _tenant(self, session: RetentionSession, tenant: str, stop: asyncio.Event) -> None:
        uploads = self._store.listing(uploads_prefix(tenant))
        jobs = self._store.folders(f"{tenant}/")
        while (batch := await asyncio.to_thread(_next, uploads)) and not stop.is_set():
            await self._uploads(session, tenant, batch)
        while (names := await asyncio.to_thread(_next, jobs)) and not stop.is_set():
            await self._jobs(session, tenant, names)

    async def _uploads(self, session: RetentionSession, tenant: str, batch: Iterable[StoredObject]) -> None:
        before = self._now() - timedelta(days=UPLOAD_DAYS)
        prefix = uploads_prefix(tenant)
        old = {i for o in batch if o.modified_at < before and (i := _uuid(_upload_in(o.key, prefix)))}
        async with session.holds_blocked():
            async with self._database.connection() as connection:
                known = await known_uploads(connection, tenant, old) | await _all_if_held(connection, tenant, old)
            await self._erase(upload_key(tenant, upload_id) for upload_id in old - known)

    async def _jobs(self, session: RetentionSession, tenant: str, names: Iterable[str]) -> None:
        found = {job_id for name in names if (job_id := _uuid(name))}
        async with session.holds_blocked():
            async with self._database.connection() as connection:
                known = await known_jobs(connection, found) | await _all_if_held(connection, tenant, found)
            prefixes = [job_prefix(tenant, job_id) for job_id in found - known]
            await self._erase([p for p in prefixes if await asyncio.to_thread(self._is_old, p)])

    def _is_old(self, prefix: str) -> bool:
        """Whether no event about these objects can be read any more; a tenant's other objects are not touched."""
        before = self._now() - timedelta(days=REPLAY_DAYS)
        return all(
            o.modified_at < before and o.key.removeprefix(prefix).partition("/")[0] in JOB_FOLDERS
            for o in self._store.listing(prefix)
        )

    async def _erase(self, prefixes: Iterable[str]) -> None:
        for prefix in prefixes:
            erased = await asyncio.to_thread(self._store.erase, prefix)
            metrics.RETENTION_OBJECTS.labels(data_class=LABEL).inc(erased)
            log.info("%d objects below %s were nobody's", erased, prefix)


async def _all_if_held(connection: Connection, tenant: str, ids: set[UUID]) -> set[UUID]:
    return ids if await wholly_held(connection, tenant) else set()


def _upload_in(key: str, prefix: str) -> str:
    """The name of the upload that an object below a prefix belongs to: itself, or the begin of its next part."""
    return key.removeprefix(prefix).partition(".")[0]


def _next(items: Iterator[T]) -> list[T]:
    return list(islice(items, BATCH))


def _uuid(text: str) -> UUID | None:
    """The id that a name represents, None unless it is in our format."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
