"""The REST shim in this process, behind a real uvicorn on a free port, over real PostgreSQL and S3."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import httpx
import uvicorn
import uvloop

from producers.api.app import create_app
from producers.api.http.client_limits import patience_for
from producers.api.http.server import config_of, listening
from producers.api.services import Services
from schemas.events import JobError, JobRequested, JobResult, Outcome
from schemas.models.registry import ModelEntry, ModelRegistry
from schemas.ports import ObjectStore
from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from schemas.transcript import Transcript
from schemas.wire.serde import Serde
from sink.http.client import check_url
from sink.http.url import CheckedUrl
from sink.jobs.results import StoredTranscript, apply_request, apply_result
from sink.postgres.database import Connection, Database
from sink.postgres.replica import ReplicaRouter
from sink.tenants.api_keys import create_key
from sink.webhooks.secrets import SecretBox
from tests.samples import AT, ERROR, MODEL, TRANSCRIPT

T = TypeVar("T")
REGISTRY = ModelRegistry(
    {
        entry.name: entry
        for entry in (
            ModelEntry(name="any", engine="faster-whisper", hub="x/any", description="All languages"),
            ModelEntry(
                name="hebrew",
                engine="faster-whisper",
                hub="x/he",
                languages=("he",),
                detects_language=False,
                translates=False,
                stand_in=True,
            ),
            ModelEntry(name="turns", engine="pyannote", hub="x/turns"),
        )
    },
    default="any",
    diarizer="turns",
)


def in_database(dsn: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do something in the database as other processes would."""

    async def run() -> T:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
            return await work(database)

    return asyncio.run(run())


def in_transaction(dsn: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """The same in one transaction."""

    async def run(database: Database) -> T:
        async with database.transaction() as connection:
            return await work(connection)

    return in_database(dsn, run)


@dataclass(frozen=True)
class RunningShim:
    """A running shim; `key` is of tenant acme."""

    url: str
    dsn: str
    key: str

    def client(self, key: str | None = None) -> httpx.Client:
        """A client with a key, acme's when none is given."""
        return httpx.Client(base_url=self.url, headers={"X-API-Key": key or self.key}, timeout=90, trust_env=False)

    def key_of(self, tenant: str) -> str:
        """A new key."""
        return in_database(self.dsn, lambda database: create_key(database, tenant))

    def complete(self, request: JobRequested, transcript: Transcript = TRANSCRIPT) -> None:
        """What the persist app does when a result arrives."""
        self._end(request, _result(request, Outcome.COMPLETED), StoredTranscript(transcript, "s3://x/t.json"))

    def fail(self, request: JobRequested, error: JobError = ERROR) -> None:
        """The same for a failed job."""
        self._end(request, replace(_result(request, Outcome.FAILED), error=error), None)

    def cancel(self, request: JobRequested) -> None:
        """The same for a cancelled one."""
        self._end(request, _result(request, Outcome.CANCELLED), None)

    def _end(self, request: JobRequested, result: JobResult, kept: StoredTranscript | None) -> None:
        async def work(connection: Connection) -> None:
            await apply_request(connection, request)
            await apply_result(connection, result, kept)

        in_transaction(self.dsn, work)


def _result(request: JobRequested, outcome: Outcome) -> JobResult:
    return JobResult(
        event_id=UUID(int=request.job_id.int ^ 1),
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request,
        outcome=outcome,
        speakers=("SPEAKER_00",),
        models=(MODEL,),
        timings={"decode": 0.5},
        completed_at=AT,
    )


@contextmanager
def serving(
    dsn: str,
    store: ObjectStore,
    *,
    upload_max_bytes: int = 50_000_000,
    check_address: Callable[[str], CheckedUrl] | None = None,
    secrets: SecretBox | None = None,
    llm_models: tuple[str, ...] | None = None,
    origins: tuple[str, ...] = (),
    read_dsn: str | None = None,
    **values: Any,
) -> Iterator[RunningShim]:
    """Serve until the end of the block; `read_dsn` is of a replica, `values` are more of Services."""
    check = check_address or partial(check_url, settings=OutboundSettings(), environment="production")
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve(listener: socket.socket) -> None:
        async with AsyncExitStack() as opened:
            database = await opened.enter_async_context(
                Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn}))
            )
            replica = None
            if read_dsn is not None:
                replica = await opened.enter_async_context(Database.pooled(read_dsn, 2, timeout=90))
            services = Services(
                database=database,
                reading=ReplicaRouter(database, replica),
                store=store,
                serde=Serde(),
                registry=REGISTRY,
                check_address=check,
                upload_max_bytes=upload_max_bytes,
                secrets=secrets,
                llm_models=llm_models,
                **values,
            )
            servers.append(uvicorn.Server(config_of(create_app(services, origins), patience_for(64))))
            ready.set()
            await servers[0].serve(sockets=[listener])

    def run(listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(listener))

    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=run, args=[listener], daemon=True)
        thread.start()
        assert ready.wait(90)
        try:
            key = in_database(dsn, lambda database: create_key(database, "acme"))
            yield RunningShim(f"http://127.0.0.1:{port}", dsn, key)
        finally:
            servers[0].should_exit = True
            thread.join(90)
