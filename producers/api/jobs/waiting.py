"""The operation that tells a tenant why a job waits."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from producers.api.problems import problem_responses
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import StrictRoute
from producers.api.services import KeyDep, ServicesDep
from producers.waiting.database import facts_for_tenant
from producers.waiting.explanation import Explanation, Wait, explain
from schemas.errors import Rejected
from schemas.process.wait_reasons import WAIT_REASONS

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)


class WaitView(BaseModel):
    """A part of a job that is held: by which gate, and since when."""

    subject: Literal["job", "webhook", "enhancement"]
    id: UUID = Field(description="Of the job, the delivery or the enhancement.")
    reason: str = Field(examples=["outbox_unpublished"])
    message: str = Field(description="The reason in a sentence.")
    since: datetime | None
    next_attempt_at: datetime | None = Field(description="When it goes on, where that is known.")
    ahead: int | None = Field(
        description="Of a queued job: how many of your own came before, up to 1,000; null when too many wait to count."
    )


class WaitingView(BaseModel):
    """The state of a job, and all its parts that are held."""

    job_id: UUID
    state: str = Field(examples=["queued"])
    since: datetime | None = Field(description="When the job came into this state.")
    held: bool
    message: str
    waits: list[WaitView]


@router.get(
    "/jobs/{job_id}/waiting",
    operation_id="getWaiting",
    summary="Why a job, its webhooks or its enhancements have not come further",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_waiting(job_id: JobId, services: ServicesDep, key: KeyDep) -> WaitingView:
    """`held` is false for a job that is being worked on, and for one that has ended and of which nothing more is to come."""
    rows = await facts_for_tenant(services.database, job_id, key.tenant, services.query_seconds)
    explanation = None if rows is None else explain(rows)
    if explanation is None:
        raise Rejected("not_found", f"job {job_id}")
    return _view(explanation)


def _view(explanation: Explanation) -> WaitingView:
    return WaitingView(
        job_id=explanation.job_id,
        state=explanation.state,
        since=explanation.since,
        held=bool(explanation.waits),
        message=explanation.sentence,
        waits=[wait_view(wait) for wait in explanation.waits],
    )


def wait_view(wait: Wait) -> WaitView:
    """A part that is held, as clients read it."""
    return WaitView(
        subject=wait.subject.value,
        id=wait.id,
        reason=wait.reason,
        message=WAIT_REASONS[wait.reason].sentence,
        since=wait.since,
        next_attempt_at=wait.next_at,
        ahead=wait.ahead,
    )
