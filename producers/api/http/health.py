"""Health, readiness and metrics endpoints."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from producers.api.problems import problem_responses
from producers.api.requests.media_types import StrictRoute
from producers.api.services import Services, ServicesDep
from producers.jobs import totals
from schemas import metrics
from schemas.errors import Outage
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import Waiting, WaitReport, to_json
from sink.jobs import outbox
from sink.jobs.outbox import OutboxBacklog
from sink.postgres.database import Connection, Database
from sink.process.waiting_metrics import export, forget

log = logging.getLogger(__name__)
OUTBOX_LATE_SECONDS = 60.0
PROBE_SECONDS = 1.0  # for the database: who asks, asks every few seconds and waits for no more than some
T = TypeVar("T")
_SERIES = "# TYPE scribe_rabbit_queue_depth gauge\nscribe_rabbit_queue_depth 3.0\n"
router = APIRouter(tags=["health"], route_class=StrictRoute)


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


_ALIVE = Alive().model_dump_json().encode()  # asked for by each probe: written once


class Ready(BaseModel):
    """Whether jobs are accepted. A late outbox is no reason to refuse them: they wait there safely."""

    status: Literal["ok", "late"]
    outbox_pending: int
    outbox_oldest_seconds: float = Field(description=f"`late` above {OUTBOX_LATE_SECONDS:g}: look at relay and Kafka.")
    waiting: list[dict[str, Any]] | None = Field(None, description="With `verbose`: what waits for which reason.")


@router.get("/health", operation_id="health", summary="Whether this process answers", response_model=Alive)
@router.get("/livez", operation_id="livez", summary="Whether this process answers", response_model=Alive)
async def alive() -> Response:
    """Says nothing of other systems, so that nobody restarts this process for their sake."""
    return Response(_ALIVE, media_type="application/json")


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether jobs are accepted",
    response_model_exclude_unset=True,
    responses=problem_responses("invalid_request"),
)
async def ready(
    services: ServicesDep,
    verbose: Annotated[str | None, Query(description="Tell what waits, too; without a value.")] = None,
) -> Ready:
    """503 while the database is away, slow or without its tables."""
    backlog = await _soon(services.database, outbox.backlog)
    late = backlog.oldest_seconds > OUTBOX_LATE_SECONDS
    waiting = {} if verbose is None else {"waiting": to_json(_report(backlog))["waiting"]}
    return Ready(
        status="late" if late else "ok",
        outbox_pending=backlog.pending,
        outbox_oldest_seconds=round(backlog.oldest_seconds, 3),
        **waiting,
    )


def _report(backlog: OutboxBacklog) -> WaitReport:
    """The backlog of the outbox, which reveals a missing relay."""
    if not backlog.pending:
        return WaitReport()
    return WaitReport((Waiting("outbox", WaitReason.OUTBOX_UNPUBLISHED, backlog.pending, backlog.oldest_seconds),))


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _SERIES}}}},
)
async def read_metrics(services: ServicesDep) -> Response:
    """Jobs and outbox are read from the database at every scrape; what is not known then is no number, or absent."""
    await asyncio.gather(_show_totals(services), _show_backlog(services.database))
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _show_totals(services: Services) -> None:
    try:
        totals.show(await _soon(services.database, services.totals.count))
    except Outage as error:
        log.warning("how many jobs there are is not known: %s", error)
        totals.forget()


async def _show_backlog(database: Database) -> None:
    try:
        backlog = await _soon(database, outbox.backlog)
    except Outage as error:
        log.warning("what waits in the outbox is not known: %s", error)
        metrics.OUTBOX_OLDEST.set(float("nan"))
        forget()
        return
    metrics.OUTBOX_OLDEST.set(backlog.oldest_seconds)
    export(_report(backlog))


async def _soon(database: Database, work: Callable[[Connection], Awaitable[T]]) -> T:
    """The result of `work` within PROBE_SECONDS; raises Outage, without waiting for the end of `work`."""

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
