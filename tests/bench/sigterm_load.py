"""Jobs for processes that end all the time: submitted and erased through REST, ended through the outbox and on the topics."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Self
from uuid import uuid4

import httpx

from deploy.local.service import TENANT, ServiceProcesses
from producers.kafka.publisher import Publisher
from schemas.events import EnhancementRequest, Event
from schemas.settings.kafka import KafkaSettings
from schemas.settings.stores import PostgresSettings
from schemas.topics import JOBS, RESULTS
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde
from sink.jobs import outbox
from sink.postgres.database import Connection, Database
from tests.streams.jobs import new_job

CLIENTS = 6
PAUSE_SECONDS = 0.02
PER_SECOND = 30.0
JOIN_SECONDS = 60.0


class Load:
    """Threads that make work; `jobs` counts what was taken."""

    def __init__(self, service: ServiceProcesses, key: str, webhook_url: str) -> None:
        self.jobs = 0
        self._service = service
        self._key = key
        self._url = webhook_url
        self._stopped = threading.Event()
        work: list[Callable[[], None]] = [partial(self._submit, erases=client % 2 == 0) for client in range(CLIENTS)]
        self._threads = [threading.Thread(target=each, daemon=True) for each in (*work, self._tell)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    def _submit(self, *, erases: bool) -> None:
        body = {"url": "http://127.0.0.1:9/call.wav", "webhook_url": self._url}
        with httpx.Client(base_url=self._service.api_url, timeout=5, trust_env=False) as rest:
            rest.headers["X-API-Key"] = self._key
            while not self._stopped.wait(PAUSE_SECONDS):
                try:
                    answer = rest.post("/api/v1/transcribe", json=body)
                    self.jobs += answer.status_code == httpx.codes.ACCEPTED
                    if erases and answer.status_code == httpx.codes.ACCEPTED:
                        rest.delete(f"/api/v1/jobs/{answer.json()['job_id']}", params={"erase": "true"})
                except httpx.TransportError:  # the shim is one of those that end
                    self._stopped.wait(PAUSE_SECONDS)

    def _tell(self) -> None:
        """Ends of jobs, every other one through the relay."""
        kafka = KafkaSettings.model_validate({"kafka_bootstrap": self._service.environment["SCRIBE_KAFKA_BOOTSTRAP"]})
        dsn = self._service.environment["SCRIBE_POSTGRES_DSN"]
        with Publisher(kafka, "sigterm-load") as publisher:
            while not self._stopped.is_set():
                began = time.monotonic()
                relayed = [record for _ in range(round(PER_SECOND / 2)) for record in self._job()]
                publisher.publish(*(record for _ in range(round(PER_SECOND / 2)) for record in self._job()))
                asyncio.run(_added(dsn, relayed))
                self.jobs += round(PER_SECOND / 2) * 2
                self._stopped.wait(max(0.0, began + 1 - time.monotonic()))

    def _job(self) -> tuple[Record, Record]:
        job = new_job(tenant=TENANT, webhook_url=self._url)
        request = job.request(enhancement=EnhancementRequest(enhancement_id=uuid4(), summarization=True))
        result = replace(job.result(), request=request.without_query())
        return _record(JOBS, request), _record(RESULTS, result)


def _record(topic: str, event: Event) -> Record:
    return record_of(Serde(), topic, event, "bench", datetime.now(UTC))


async def _added(dsn: str, records: list[Record]) -> None:
    async def work(connection: Connection) -> None:
        for record in records:
            await outbox.add(connection, record)

    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
        await database.run(work)
