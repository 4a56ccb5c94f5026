"""The operation that tells a tenant what was done for it by day."""

from dataclasses import asdict, fields
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from producers.api.problems import problem_responses
from producers.api.requests.media_types import StrictRoute
from producers.api.requests.query import Day
from producers.api.services import KeyDep, ServicesDep
from producers.inputs.validation_errors import refused
from sink.tenants.usage import DayUsage, usage_of

router = APIRouter(prefix="/api/v1/usage", tags=["usage"], route_class=StrictRoute)
USUAL_DAYS = 30
MOST_DAYS = 366


class Usage(BaseModel):
    """Sums over a time."""

    completed: int = Field(description="Jobs.", examples=[412])
    failed: int
    cancelled: int
    audio_seconds: float = Field(description="Of the recordings of completed jobs.", examples=[91234.5])
    gpu_seconds: float = Field(
        description="For which a worker transcribed or diarized, also for jobs that then failed.", examples=[2345.678]
    )
    bytes: int = Field(description="Of the recordings of completed jobs, as far as their size was known before.")
    tokens: int = Field(description="Of the enhanced-AI service.")


class UsageDay(Usage):
    """The usage of a day (UTC)."""

    day: date = Field(examples=["2031-01-31"])


class UsageView(BaseModel):
    """The usage of a tenant: its days on which there was any, and their sum."""

    tenant: str
    since: date = Field(examples=["2031-01-02"])
    until: date = Field(examples=["2031-01-31"])
    total: Usage
    days: list[UsageDay]


_Day = Annotated[Day | None, Query(description="A day such as 2031-01-31, in UTC.", examples=["2031-01-31"])]


@router.get(
    "",
    operation_id="getUsage",
    summary="What was done for the tenant, by day",
    responses=problem_responses("invalid_request", "unauthorized"),
)
async def read_usage(services: ServicesDep, key: KeyDep, since: _Day = None, until: _Day = None) -> UsageView:
    """The days from `since` to `until`, both included: the last 30 where neither is named, 366 at most.

    A job counts on the day on which it ended. It still does when its recording and its transcript are deleted.
    """
    last = until or services.now().date()
    # by ordinals, since there are no days before the first one
    first = since or date.fromordinal(max(1, last.toordinal() - USUAL_DAYS + 1))
    if not 0 <= last.toordinal() - first.toordinal() < MOST_DAYS:
        raise refused([(("query", "since"), f"must lie up to {MOST_DAYS - 1} days before `until`, which is {last}")])
    async with services.database.as_tenant(key.tenant) as connection:
        days = await usage_of(connection, key.tenant, first, last)
    return UsageView(
        tenant=key.tenant,
        since=first,
        until=last,
        total=_total(days),
        days=[UsageDay(**asdict(day)) for day in days],
    )


def _total(days: tuple[DayUsage, ...]) -> Usage:
    names = [field.name for field in fields(DayUsage) if field.name != "day"]
    return Usage(**{name: round(sum(getattr(day, name) for day in days), 3) for name in names})
