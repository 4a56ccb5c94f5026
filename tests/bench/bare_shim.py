"""A bare FastAPI application that the REST shim is measured against: the same rows, and nothing else that a service needs.

`python -m tests.bench.bare_shim PORT` serves it. SCRIBE_POSTGRES_DSN says where the database is, CELERY_BROKER_URL where the
broker; without the latter there is no `/celery`.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI, Request
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from schemas.settings.loading import load
from schemas.settings.stores import PostgresSettings
from sink.jobs.queries import JOB_COLUMNS

_JOB = f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id = %s"
_EVENT = "INSERT INTO job_events (job_id, run, state, at) VALUES (%s, 1, 'queued', %s)"
_RECORD = "INSERT INTO outbox (topic, key, value, headers) VALUES ('scribe.jobs', %s, %s, '{}')"
_INSERT = """
INSERT INTO jobs (job_id, tenant, run, state, request, requested_at) VALUES (%s, 'acme', 1, 'queued', %s, %s)"""


class Body(BaseModel):
    """What is asked for."""

    url: str
    language: str | None = None


@asynccontextmanager
async def _opened(app: FastAPI) -> AsyncIterator[None]:
    settings = load(PostgresSettings)
    dsn = settings.postgres_dsn.get_secret_value()
    pool = AsyncConnectionPool(
        dsn,
        kwargs={"row_factory": dict_row},
        min_size=settings.postgres_pool_size,
        max_size=settings.postgres_pool_size,
        open=False,
    )
    async with pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_opened)


def _pool(request: Request) -> AsyncConnectionPool[AsyncConnection[DictRow]]:
    return cast("AsyncConnectionPool[AsyncConnection[DictRow]]", request.app.state.pool)


@app.get("/livez")
async def alive() -> dict[str, str]:
    """Nothing is done."""
    return {"status": "ok"}


@app.get("/jobs/{job_id}")
async def read(job_id: UUID, request: Request) -> dict[str, Any] | None:
    """One row."""
    async with _pool(request).connection() as connection:
        row = await (await connection.execute(_JOB, [job_id])).fetchone()
    return row and {**row, "fingerprint": None}


@app.post("/transcribe", status_code=202)
async def submit(body: Body, request: Request) -> dict[str, str]:
    """Three rows in one transaction."""
    job_id, now = uuid4(), datetime.now(UTC)
    async with _pool(request).connection() as connection:
        await connection.execute(_INSERT, [job_id, Jsonb(body.model_dump()), now])
        await connection.execute(_EVENT, [job_id, now])
        await connection.execute(_RECORD, [job_id.bytes, body.model_dump_json().encode()])
    return {"job_id": str(job_id), "state": "queued"}


if "CELERY_BROKER_URL" in os.environ:
    from tests.bench.celery_jobs import task

    @app.post("/celery", status_code=202)
    def queue(body: Body) -> dict[str, str]:
        """What Celery needs to accept a task; in a thread, since it waits for Redis."""
        return {"task_id": task.delay(body.model_dump()).id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning")
