"""The operation that tells an operator why the job of any tenant waits, with the evidence and what to do."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from producers.api.jobs.waiting import WaitView, wait_view
from producers.api.problems import problem_responses
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import StrictRoute
from producers.api.services import OPERATORS, KeyDep, ServicesDep
from producers.messages.absence import NotThere
from producers.waiting.database import facts_for_operator
from producers.waiting.explanation import Explanation, explain
from producers.waiting.facts import RowFacts
from schemas.process.wait_reasons import WAIT_REASONS
from schemas.tenants.scopes import Scope, check_scope

router = APIRouter(prefix="/api/v1/operator", tags=[OPERATORS], route_class=StrictRoute)


class HeldPartView(WaitView):
    """A part of a job that is held: by which gate, since when, how that is known, and what to do."""

    evidence: list[str] = Field(examples=[["outbox: a record for scribe.jobs since 2026-01-31 12:00:00 UTC"]])
    runbook: str = Field(description="What to look at.", examples=["Is `scribe-relay` up?"])


class StuckJobView(BaseModel):
    """The state of a job of any tenant, and all its parts that are held."""

    job_id: UUID
    tenant: str | None = Field(description="Null where the database does not have the job yet.")
    run: int | None
    state: str = Field(examples=["queued"])
    since: datetime | None = Field(description="When the job came into this state.")
    held: bool
    message: str
    evidence: list[str] = Field(examples=[[]])
    waits: list[HeldPartView]


@router.get(
    "/jobs/{job_id}/waiting",
    operation_id="explainJob",
    summary="Why a job of any tenant has not come further, and what to do",
    responses=problem_responses("invalid_request", "unauthorized", "not_found", "search_too_broad"),
)
async def read(job_id: JobId, services: ServicesDep, key: KeyDep) -> StuckJobView:
    """Needs the scope `operator`. What the database knows; `scribe why JOB --direct` looks into Kafka too."""
    check_scope(key.scopes, Scope.OPERATOR)
    rows = await facts_for_operator(services.database, job_id, services.query_seconds)
    explanation = explain(rows)
    if explanation is None:
        raise NotThere(
            f"job {job_id}" + (f" was erased at {rows.erased_at:%Y-%m-%d %H:%M:%S} UTC" if rows.erased_at else "")
        )
    return _view(rows, explanation)


def _view(rows: RowFacts, found: Explanation) -> StuckJobView:
    return StuckJobView(
        job_id=found.job_id,
        tenant=rows.job and rows.job.tenant,
        run=rows.job and rows.job.run,
        state=found.state,
        since=found.since,
        held=bool(found.waits),
        message=found.sentence,
        evidence=list(found.evidence),
        waits=[
            HeldPartView(
                **wait_view(wait).model_dump(),
                evidence=list(wait.evidence),
                runbook=WAIT_REASONS[wait.reason].runbook,
            )
            for wait in found.waits
        ],
    )
