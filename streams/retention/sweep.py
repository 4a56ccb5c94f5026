"""One sweep of expired data: batch by batch and tenant by tenant, so that no tenant waits for another's backlog.

An interrupted batch is found again: rows leave tombstones that name their objects, and objects are deleted before their
job is marked.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

from schemas import metrics
from schemas.errors import Outage
from schemas.ports import ObjectStore
from schemas.tenants.retention import RetentionRules
from schemas.wire.object_keys import audio_prefix, job_prefix, tail_prefix, transcript_prefix, upload_key
from sink.postgres.database import Connection, Database
from sink.retention import erasure, expiry
from sink.retention.erasure import TombstoneCheck
from sink.retention.expiry import ARTIFACTS, AUDIO, FOR_ALL, Batch, ExpiredObjects
from sink.retention.leader import RetentionSession
from sink.retention.uploads import ExpiredUpload, find_expired_uploads, forget_uploads
from sink.tenants.usage import merge_usage

log = logging.getLogger(__name__)

T = TypeVar("T")
BATCH = 200
MERGED = 10_000  # entries of usage in a transaction
THREADS = 16  # half of the object store's connections


class SweepTask(NamedTuple):
    """One task of a sweep: a tenant's data of one class older than a given time."""

    tenant: str
    name: str
    cutoff: datetime


@dataclass(frozen=True, slots=True)
class Swept:
    """The result of a batch, and whether there may be more."""

    more: bool
    rows: int = 0


RowStep = Callable[[Connection, str, datetime, int], Awaitable[Batch]]
_ROWS: dict[str, tuple[RowStep, ...]] = {
    "history": (expiry.forget_history,),
    "enhancements": (expiry.forget_enhancements, expiry.delete_calls),
    "idempotency": (expiry.forget_fingerprints,),
    "deliveries": (expiry.clear_deliveries, expiry.delete_deliveries),
}


class Sweep:
    """Deletes expired data; `batch` is the number of jobs, deliveries or rows per transaction."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        rules: RetentionRules,
        *,
        batch: int = BATCH,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._store = store
        self._rules = rules
        self._batch = batch
        self._now = now
        self._threads = ThreadPoolExecutor(THREADS, "sweep")
        self.waiting: str | None = None
        """What was away at the last sweep or recheck, None when nothing was."""

    async def run(self, session: RetentionSession, stop: asyncio.Event) -> bool:
        """Sweep until no expired data remain; False when a system was away or `stop` was set."""
        self.waiting, begun = None, self._now()
        tasks: Sequence[SweepTask] = await self._tasks(begun)
        while tasks and not stop.is_set():
            tasks = [task for task in tasks if await self._guarded(partial(self._do, session, task))]
            await self.recheck(stop)
        while not stop.is_set() and await self._guarded(partial(self._uploads, session)):
            pass
        while not stop.is_set() and await self._guarded(self._merge_usage):
            pass
        for name in FOR_ALL:
            while not stop.is_set() and await self._guarded(partial(self._for_all, name)):
                pass
        complete = self.waiting is None and not stop.is_set()
        if complete:
            metrics.RETENTION_LAST_SUCCESS.set(begun.timestamp())
        return complete

    async def recheck(self, stop: asyncio.Event) -> None:
        """Delete the objects named by due tombstones."""
        while not stop.is_set() and await self._guarded(self._recheck):
            pass
        async with self._database.connection() as connection:
            pending, oldest_seconds = await erasure.pending(connection)
        metrics.ERASURES_PENDING.set(pending)
        metrics.ERASURES_OLDEST.set(oldest_seconds)

    async def _tasks(self, now: datetime) -> Sequence[SweepTask]:
        async with self._database.connection() as connection:
            policies = await expiry.tenants(connection)
        return [
            SweepTask(tenant, name, cutoff)
            for tenant, policy in policies.items()
            for name, cutoff in self._rules.cutoffs(now, policy).items()
        ]

    async def _guarded(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Whether a step must be repeated at once; a failed one waits for the next sweep, the others go on."""
        try:
            return await step()
        except Outage as error:
            log.warning("waiting: %s", error)
            self.waiting = str(error)
        except Exception as error:  # what is over elsewhere must not wait for this
            log.exception("a step of the sweep failed")
            self.waiting = f"{type(error).__name__} in a step of the sweep"
        return False

    async def _do(self, session: RetentionSession, task: SweepTask) -> bool:
        swept = await self._swept(session, task)
        metrics.RETENTION_ROWS.labels(data_class=task.name).inc(swept.rows)
        return swept.more

    async def _swept(self, session: RetentionSession, task: SweepTask) -> Swept:
        if task.name in (AUDIO, ARTIFACTS):
            async with session.holds_blocked():
                return await self._objects(task)
        if task.name == "transcripts":
            return await self._rows(task, partial(expiry.expire_jobs, now=self._now()))
        swept = [await self._rows(task, step) for step in _ROWS.get(task.name, ())]
        return Swept(any(s.more for s in swept), sum(s.rows for s in swept))

    async def _rows(self, task: SweepTask, step: Callable[..., Awaitable[Batch]]) -> Swept:
        batch = await self._database.run(
            lambda connection: step(connection, tenant=task.tenant, cutoff=task.cutoff, limit=self._batch)
        )
        return Swept(batch.found == self._batch, batch.rows)

    async def _objects(self, task: SweepTask) -> Swept:
        async with self._database.connection() as connection:
            expired = await expiry.find_expired_objects(connection, task.name, task.tenant, task.cutoff, self._batch)
        erase = self._audio if task.name == AUDIO else self._artifacts
        done, error = await self._each(partial(erase, task.tenant), expired)
        await self._database.run(lambda connection: expiry.mark_gone(connection, task.name, list(done)))
        metrics.RETENTION_OBJECTS.labels(data_class=task.name).inc(sum(done.values()))
        if error is not None:
            raise error
        return Swept(len(expired) == self._batch)

    def _audio(self, tenant: str, job: ExpiredObjects) -> int:
        return self._store.erase(audio_prefix(tenant, job.job_id)) + self._upload(tenant, job.upload)

    def _artifacts(self, tenant: str, job: ExpiredObjects) -> int:
        spare = (audio_prefix(tenant, job.job_id), transcript_prefix(tenant, job.job_id))
        return self._store.erase(job_prefix(tenant, job.job_id), spare)

    def _upload(self, tenant: str, upload: str | None) -> int:
        try:
            return self._store.erase(upload_key(tenant, UUID(hex=upload))) if upload else 0
        except ValueError:  # what a request named was no upload
            return 0

    async def _uploads(self, session: RetentionSession) -> bool:
        """End uploads whose time is over: their parts, their objects unless a job has them, and their rows."""
        async with session.holds_blocked():
            async with self._database.connection() as connection:
                due = await find_expired_uploads(connection, self._batch)
            done, error = await self._each(self._end_upload, due)
            ids = [upload.upload_id for upload in done]
            rows = await self._database.run(lambda connection: forget_uploads(connection, ids))
        metrics.RETENTION_ROWS.labels(data_class="uploads").inc(rows)
        metrics.RETENTION_OBJECTS.labels(data_class="uploads").inc(sum(done.values()))
        if error is not None:
            raise error
        return len(due) == self._batch

    def _end_upload(self, upload: ExpiredUpload) -> int:
        key = upload_key(upload.tenant, upload.upload_id)
        if upload.parts_id is not None:
            self._store.abort_parts(key, upload.parts_id)
        return self._store.erase(tail_prefix(upload.tenant, upload.upload_id) if upload.is_used else key)

    async def _merge_usage(self) -> bool:
        return await self._database.run(lambda connection: merge_usage(connection, MERGED)) == MERGED

    async def _recheck(self) -> bool:
        now = self._now()
        async with self._database.connection() as connection:
            due = await erasure.due_rechecks(connection, now, self._batch)
        done, error = await self._each(self._check, due)

        async def write(connection: Connection) -> None:
            for check, objects in done.items():
                await erasure.record_check(connection, check, objects, now)

        await self._database.run(write)
        metrics.RETENTION_OBJECTS.labels(data_class="transcripts").inc(sum(done.values()))
        if error is not None:
            raise error
        return len(due) == self._batch

    def _check(self, check: TombstoneCheck) -> int:
        if check.tenant is None:  # a tombstone of a version that kept no name
            return 0
        return self._store.erase(job_prefix(check.tenant, check.job_id)) + self._upload(check.tenant, check.upload)

    async def _each(self, erase: Callable[[T], int], items: Sequence[T]) -> tuple[dict[T, int], BaseException | None]:
        """Delete items concurrently: the number of objects per fully deleted item, and one error of the others."""
        loop = asyncio.get_running_loop()
        calls = (loop.run_in_executor(self._threads, erase, item) for item in items)
        results = dict(zip(items, await asyncio.gather(*calls, return_exceptions=True), strict=True))
        errors = [result for result in results.values() if isinstance(result, BaseException)]
        done = {item: count for item, count in results.items() if isinstance(count, int)}
        return done, errors[0] if errors else None

    async def _for_all(self, name: str) -> bool:
        cutoff = self._rules.cutoff(name, self._now())
        if cutoff is None:
            return False
        batch = await self._database.run(
            lambda connection: expiry.delete_for_all(connection, name, cutoff, self._batch)
        )
        metrics.RETENTION_ROWS.labels(data_class=name).inc(batch.rows)
        return batch.found == self._batch
