"""Health, readiness and metrics."""

import logging
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from producers.api.media_types import StrictRoute
from producers.api.problems import problem_responses
from producers.api.services import ServicesDep
from schemas import metrics
from schemas.errors import Outage
from sink import jobs, outbox

log = logging.getLogger(__name__)
OUTBOX_LATE_SECONDS = 60.0
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
    """503 while the database is away or lacks its tables."""
    async with services.database.connection() as connection:
        backlog = await outbox.backlog(connection)
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
        async with services.database.connection() as connection:
            metrics.QUEUE_DEPTH.set(await jobs.queue_depth(connection))
    except Outage as error:
        log.warning("queue depth is not known: %s", error)
        metrics.QUEUE_DEPTH.set(float("nan"))
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
