"""Brings the jobs of a plan in, at an even pace, through Kafka and through PostgreSQL and the relay; repeats until accepted."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import schemas.topics
from producers.publisher import Publisher
from schemas.errors import Outage
from schemas.records import Record, record_of
from schemas.serde import Serde
from schemas.settings import KafkaSettings, PostgresSettings
from sink.jobs import accept
from sink.postgres import Connection, Database
from tests.chaos.names import renamed
from tests.chaos.parts import Parts
from tests.chaos.plan import Door, Plan, PlannedJob

PAUSE_SECONDS = 0.2


class Load:
    """A thread that submits; `accepted` counts what the service has taken."""

    def __init__(self, plan: Plan, parts: Parts, webhook_url: str, seconds: float) -> None:
        """All of it within `seconds`."""
        self.accepted = 0
        self._plan = plan
        self._url = webhook_url
        self._pace = seconds / max(1, plan.jobs)
        self._topic = renamed(schemas.topics.JOBS, parts.prefix)
        environment = parts.environment
        self._kafka = KafkaSettings(kafka_bootstrap=environment["SCRIBE_KAFKA_BOOTSTRAP"])
        self._postgres = PostgresSettings.model_validate({"postgres_dsn": parts.dsn, "postgres_pool_size": 2})
        self._over = threading.Event()
        self.failure: BaseException | None = None
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
        self._over.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            asyncio.run(self._submit())
        except BaseException as error:  # noqa: BLE001 - it belongs to the run
            self.failure = error

    async def _submit(self) -> None:
        due = time.monotonic()
        with Publisher(self._kafka, "chaos-load", timeout=5) as publisher:
            async with Database.open(self._postgres) as database:
                for job in self._plan.planned:
                    await self._accepted(job, publisher, database)
                    self.accepted += 1
                    due += self._pace
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                for job in (job for job in self._plan.planned if len(job.runs) > 1):
                    await self._again(job, publisher, database)

    async def _again(self, job: PlannedJob, publisher: Publisher, database: Database) -> None:
        """Ask for the next run once the first has ended."""
        while not self._over.is_set() and not await self._has_ended(job, database):
            await asyncio.sleep(PAUSE_SECONDS)
        for run in job.runs[1:]:
            record = record_of(Serde(), self._topic, job.request(self._url, run), "chaos", datetime.now(UTC))
            await self._repeated(lambda record=record: asyncio.to_thread(publisher.publish, record))  # type: ignore[misc]

    async def _has_ended(self, job: PlannedJob, database: Database) -> bool:
        async def look(connection: Connection) -> bool:
            found = await connection.execute("SELECT FROM applied_events WHERE job_id = %s", [job.job_id])
            return await found.fetchone() is not None

        return await database.run_when_back(look, PAUSE_SECONDS)

    async def _accepted(self, job: PlannedJob, publisher: Publisher, database: Database) -> None:
        request = job.request(self._url)
        if job.undecodable:
            record = Record(self._topic, str(job.job_id).encode(), job.bytes())
        else:
            record = record_of(Serde(), self._topic, request, "chaos", datetime.now(UTC))
        if job.door is Door.OUTBOX:
            await self._repeated(lambda: database.run(lambda c: accept(c, request, b"chaos", record)))
        else:
            await self._repeated(lambda: asyncio.to_thread(publisher.publish, record))

    async def _repeated(self, submit: Callable[[], Awaitable[object]]) -> None:
        while not self._over.is_set():
            try:
                await submit()
            except Outage:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
