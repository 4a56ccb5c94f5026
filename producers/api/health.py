"""Health, readiness and metrics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from producers.api.problems import problem_responses
from producers.api.requests.media_types import StrictRoute
from producers.api.services import ServicesDep
from schemas import metrics
from schemas.errors import Outage
from sink.jobs import outbox, queries
from sink.postgres.database import Connection, Database

log = logging.getLogger(__name__)
OUTBOX_LATE_SECONDS = 60.0
PROBE_SECONDS = 1.0  # for the database: who asks, asks every few seconds and waits for no more than some
T = TypeVar("T")
router = APIRouter(tags=["health"], route_class=StrictRoute)


class Alive(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether jobs are accepted. A late outbox is no reason to refuse them: they wait there safely."""

    status: Literal["ok", "late"]
    outbox_pending: int
    outbox_oldest_seconds: float = Field(description=f"`late` above {OUTBOX_LATE_SECONDS:g}: look at relay and Kafka.")


@router.get("/health", operation_id="health", summary="Whether this process answers")
@router.get("/livez", operation_id="livez", summary="Whether this process answers")
async def alive() -> Alive:
    """Says nothing of other systems, so that nobody restarts this process for their sake."""
    return Alive()


@router.get("/readyz", operation_id="readyz", summary="Whether jobs are accepted", responses=problem_responses())
async def ready(services: ServicesDep) -> Ready:
    """503 while the database is away, slow or without its tables."""
    backlog = await _soon(services.database, outbox.backlog)
    late = backlog.oldest_seconds > OUTBOX_LATE_SECONDS
    return Ready(
        status="late" if late else "ok",
        outbox_pending=backlog.pending,
        outbox_oldest_seconds=round(backlog.oldest_seconds, 3),
    )


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def read_metrics(services: ServicesDep) -> Response:
    """The queue's depth is read from the database at every scrape, and is no number while it is away."""
    try:
        metrics.QUEUE_DEPTH.set(await _soon(services.database, queries.queue_depth))
    except Outage as error:
        log.warning("queue depth is not known: %s", error)
        metrics.QUEUE_DEPTH.set(float("nan"))
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _soon(database: Database, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What `work` finds within PROBE_SECONDS; raises Outage. Its end is not waited for: that may take as long again."""

    async def find() -> T:
        async with asyncio.timeout(PROBE_SECONDS), database.connection() as connection:
            return await work(connection)

    finding = asyncio.create_task(find())
    finding.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody else may look at it
    await asyncio.wait({finding}, timeout=PROBE_SECONDS)
    try:
        if finding.done():
            return finding.result()
    except TimeoutError:
        pass
    raise Outage(f"PostgreSQL: no answer within {PROBE_SECONDS:g} s")
