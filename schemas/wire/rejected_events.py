"""Rejection of invalid events: the failed end of the job for its submitter, if the event identifies the job."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from schemas.errors import Permanent
from schemas.events import (
    Audio,
    EnhancementResult,
    Event,
    JobError,
    JobRequested,
    JobResult,
    Outcome,
    TranscriptReady,
    event_id,
)

Mistake = tuple[str, str]  # dotted field name, what is wrong with it
NO_RUN = 0
"""Stands for a run that is no number: every run of a job comes after it, so that it replaces none."""
_REQUEST: Final = TypeAdapter(JobRequested)
_IDENTITY = ("job_id", "run", "tenant")
_TRIES = 10  # a request has fewer fields than that which can be wrong


def failed_result(request: JobRequested, error: Permanent, now: datetime, audio: Audio | None = None) -> JobResult:
    """The end of a job that cannot succeed; the same event id however often it is written."""
    return JobResult(
        event_id=event_id(request.job_id, JobResult.KIND, request.run),
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request.without_query(),
        outcome=Outcome.FAILED,
        audio=audio,
        error=_job_error(error),
        completed_at=now,
    )


def reason_of(cls: type[Event], mistakes: Iterable[Mistake]) -> Permanent:
    """The reason why an event of class `cls` is rejected: mistakes of the submitter, or of another writer."""
    found = list(dict.fromkeys(mistakes))
    detail = "; ".join(f"{field}: {message}" for field, message in found)
    of_request = cls is not EnhancementResult and all(field.startswith("request.") for field, _ in found)
    if cls in (JobResult, EnhancementResult) and not of_request:
        return Permanent("internal", f"its result holds wrong values: {detail}")
    return Permanent("invalid_request", detail)


def answer_to(
    cls: type[Event], data: Any, reason: Permanent, mistakes: Iterable[Mistake] = (), now: datetime | None = None
) -> JobResult | EnhancementResult | None:
    """The failed end for an invalid event, from its plain values; None where job or tenant cannot be read."""
    now = now or datetime.now(UTC)
    fields = [field.split(".") for field, _ in mistakes]
    if not isinstance(data, Mapping):
        return None
    if cls is JobRequested:
        return _failed(_request(data, fields, now), reason, now)
    if cls in (TranscriptReady, JobResult) and isinstance(inside := data.get("request"), Mapping):
        outer = {name: data[name] for name in _IDENTITY if name in data}
        within = [field[1:] for field in fields if field[0] == "request"]
        wrong = [field for field in fields if field[0] in _IDENTITY]
        return _failed(_request({**inside, **outer}, within + wrong, now), reason, now)
    return _failed_enhancement(data, fields, reason, now) if cls is EnhancementResult else None


def _failed(request: JobRequested | None, reason: Permanent, now: datetime) -> JobResult | None:
    return failed_result(request, reason, now) if request is not None else None


def _request(data: Mapping[str, Any], wrong: Iterable[list[str]], now: datetime) -> JobRequested | None:
    """The request with defaults in place of invalid values; None when it does not identify its job and tenant."""
    plain = dict(data)
    for field in wrong:
        _leave_out(plain, field, now)
    for _ in range(_TRIES):
        try:
            return _REQUEST.validate_python(plain)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                _leave_out(plain, [str(part) for part in each["loc"]], now)
        if not {"job_id", "tenant"} <= plain.keys():
            return None
    return None


def _leave_out(plain: dict[str, Any], field: list[str], now: datetime) -> None:
    name, *inner = field
    match name:
        case "run":
            plain["run"] = NO_RUN
        case "requested_at":
            plain["requested_at"] = now
        case "source":
            uri = plain["source"].get("uri") if isinstance(plain.get("source"), Mapping) else None
            plain["source"] = {"uri": uri if isinstance(uri, str) else ""}
        case "options" if inner and isinstance(plain.get("options"), Mapping):
            plain["options"] = {key: value for key, value in plain["options"].items() if key != inner[0]}
        case _:
            plain.pop(name, None)


def _failed_enhancement(
    data: Mapping[str, Any], wrong: Iterable[list[str]], reason: Permanent, now: datetime
) -> EnhancementResult | None:
    named = {field[0] for field in wrong}
    job_id, enhancement_id, tenant, run = (
        None if name in named else data.get(name) for name in ("job_id", "enhancement_id", "tenant", "run")
    )
    if not (isinstance(job_id, UUID) and isinstance(enhancement_id, UUID)):
        return None
    if not (isinstance(tenant, str) and isinstance(run, int)):
        return None
    return EnhancementResult(
        event_id=event_id(job_id, EnhancementResult.KIND, run, str(enhancement_id)),
        job_id=job_id,
        run=run,
        tenant=tenant,
        enhancement_id=enhancement_id,
        outcome=Outcome.FAILED,
        error=_job_error(reason),
        completed_at=now,
    )


def _job_error(error: Permanent) -> JobError:
    return JobError(kind=error.kind.value, code=error.code, message=error.message)
