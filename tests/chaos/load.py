"""Brings the jobs of a plan in, at an even pace, through Kafka and through PostgreSQL and the relay; repeats until accepted."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import schemas.topics
from producers.publisher import Publisher
from schemas.errors import Outage
from schemas.records import Record, record_of
from schemas.serde import Serde
from schemas.settings import KafkaSettings, PostgresSettings
from sink.jobs import accept
from sink.postgres import Database
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

    async def _accepted(self, job: PlannedJob, publisher: Publisher, database: Database) -> None:
        request = job.request(self._url)
        if job.undecodable:
            record = Record(self._topic, str(job.job_id).encode(), job.bytes())
        else:
            record = record_of(Serde(), self._topic, request, "chaos", datetime.now(UTC))
        while not self._over.is_set():
            try:
                if job.door is Door.OUTBOX:
                    await database.run(lambda connection: accept(connection, request, b"chaos", record))
                else:
                    await asyncio.to_thread(publisher.publish, record)
            except Outage:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
