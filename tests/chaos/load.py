"""Brings the jobs of a plan in, at an even pace: through Kafka, PostgreSQL and the relay, or REST; cancels and replays."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import schemas.topics
from producers.jobs.cancelling import cancel_record
from producers.kafka.publisher import Publisher
from schemas.errors import Outage
from schemas.events import JobRequested
from schemas.settings.kafka import KafkaSettings
from schemas.settings.stores import PostgresSettings
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde
from sink.jobs.intake.acceptance import accept
from sink.postgres.database import Connection, Database
from sink.tenants.api_keys import create_key
from tests.chaos.facts import expected_event
from tests.chaos.names import renamed
from tests.chaos.parts import Parts
from tests.chaos.plan import TENANTS, Door, Plan, PlannedJob
from tests.chaos.replays import replayed
from tests.chaos.rest import RestClient

PAUSE_SECONDS = 0.2


class Load:
    """A thread that submits, cancels and replays; `accepted` are the numbers of the jobs that the service has taken."""

    def __init__(
        self,
        plan: Plan,
        parts: Parts,
        webhook_url: str,
        seconds: float,
        admits: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """All of it within `seconds`, if every job may come when its time has come."""
        self.accepted: set[int] = set()
        self.begun: set[int] = set()
        """Numbers of the jobs whose submission has begun."""
        self.cancels: dict[UUID, bool] = {}
        """Jobs of which somebody was told that they are asked to stop; False: that they had ended."""
        self.failure: BaseException | None = None
        self.rest: RestClient | None = None
        self._plan = plan
        self._parts = parts
        self._url = webhook_url
        self._admits = admits
        self._pace = seconds / max(1, plan.jobs)
        self._jobs = renamed(schemas.topics.JOBS, parts.prefix)
        self._control = renamed(schemas.topics.CONTROL, parts.prefix)
        environment = parts.environment
        self._kafka = KafkaSettings(kafka_bootstrap=environment["SCRIBE_KAFKA_BOOTSTRAP"])
        self._postgres = PostgresSettings.model_validate({"postgres_dsn": parts.dsn, "postgres_pool_size": 2})
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to submit."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether nothing more comes."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Submit no more."""
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            asyncio.run(self._open())
        except BaseException as error:  # noqa: BLE001 - it belongs to the run
            self.failure = error

    async def _open(self) -> None:
        async with Database.open(self._postgres) as self._database:
            self.rest = RestClient(self._parts.address("api"), await self._keys(), self._stopped)
            with Publisher(self._kafka, "chaos-load", timeout=5) as self._publisher:
                async with self.rest, asyncio.TaskGroup() as self._tasks:
                    await self._submit()

    async def _keys(self) -> dict[str, str]:
        keys: dict[str, str] = {}

        async def make(tenant: str) -> None:
            keys[tenant] = await create_key(self._database, tenant)

        for tenant in TENANTS:
            await self._repeated(partial(make, tenant))
        return keys

    async def _submit(self) -> None:
        for number in range(self._plan.replays):
            self._tasks.create_task(self._replay(number))
        due = time.monotonic()
        for job in self._plan.planned:
            while not (self._admits(job.number) or self._stopped.is_set()):
                due = time.monotonic()
                await asyncio.sleep(self._pace)
            if job.door is Door.REST:  # a client that waits for its answer holds up no other
                self._tasks.create_task(self._brought(job))
            else:
                await self._brought(job)
            due += self._pace
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        for job in (job for job in self._plan.planned if len(job.runs) > 1 and job.replay is None):
            await self._ended([job])
            for run in job.runs[1:]:
                await self._published(self._record(job.request(self._url, run)))

    async def _brought(self, job: PlannedJob) -> None:
        self.begun.add(job.number)
        await self._submitted(job)
        if self._stopped.is_set():
            return
        self.accepted.add(job.number)
        if job.cancel is not None:
            self._tasks.create_task(self._cancelled(job, job.cancel))

    async def _submitted(self, job: PlannedJob) -> None:
        request = job.request(self._url)
        if job.door is Door.REST and self.rest is not None:
            return await self.rest.submit(job, self._url)
        if job.undecodable:
            return await self._published(Record(self._jobs, str(job.job_id).encode(), job.bytes()))
        record = self._record(request)
        if job.door is Door.OUTBOX:
            return await self._repeated(lambda: accept(self._database, request, b"chaos", record))
        return await self._published(record)

    async def _cancelled(self, job: PlannedJob, seconds: float) -> None:
        """Through REST where the job came from there; else as `scribe cancel --direct` does it."""
        await asyncio.sleep(seconds)
        if job.door is Door.REST and self.rest is not None:
            asked = await self.rest.cancel(job)
        else:
            now = datetime.now(UTC)
            order = cancel_record(
                Serde(), job.job_id, 1, job.tenant, requested_by="chaos", source="chaos", now=now, topic=self._control
            )
            await self._published(order)
            asked = None if self._stopped.is_set() else True
        if asked is not None:
            self.cancels[job.job_id] = asked

    async def _replay(self, number: int) -> None:
        jobs = [job for job in self._plan.planned if job.replay == number]
        await self._ended(jobs)
        if jobs:
            place = self._plan.replay_deaths[number]
            await replayed(
                self._parts, number, [job.job_id for job in jobs], place, wanted=lambda: not self._stopped.is_set()
            )

    async def _ended(self, jobs: Sequence[PlannedJob]) -> None:
        """Wait until the first runs of all jobs have ended, and nobody will cancel them any more."""
        asked = {job.job_id for job in jobs if job.cancel is not None}
        events = [expected_event(job) for job in jobs]

        async def look(connection: Connection) -> bool:
            query = "SELECT count(*) AS ended FROM applied_events WHERE event_id = ANY(%s)"
            row = await (await connection.execute(query, [events])).fetchone()
            return row is not None and row["ended"] == len(events)

        while not self._stopped.is_set():
            if asked <= self.cancels.keys() and await self._database.run_when_back(look, PAUSE_SECONDS):
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _record(self, request: JobRequested) -> Record:
        return record_of(Serde(), self._jobs, request, "chaos", datetime.now(UTC))

    async def _published(self, record: Record) -> None:
        await self._repeated(lambda: asyncio.to_thread(self._publisher.publish, record))

    async def _repeated(self, submit: Callable[[], Awaitable[object]]) -> None:
        while not self._stopped.is_set():
            try:
                await submit()
            except Outage:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
