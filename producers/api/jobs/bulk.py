"""The operation that takes many jobs at once: a line of JSON each, and an outcome each in the same order."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError

from producers.api.http.streaming import OwningStream
from producers.api.jobs.bodies import TranscribeBody
from producers.api.jobs.operations import accepted_job
from producers.api.jobs.uploads.sources import source_in
from producers.api.jobs.views import JobSummary, summary
from producers.api.problems import Problem, problem_document, problem_responses, retry_seconds
from producers.api.requests.idempotency import BULK_JOB, JOB, IdempotencyKey, chosen_id, reuse_told
from producers.api.requests.media_types import BODY_CODES, LINES, StrictRoute, check_media_type
from producers.api.services import KeyDep, Services, ServicesDep, TraceDep
from producers.inputs.strict_json import read_json
from producers.inputs.validation_errors import invalid
from producers.jobs.submit import Trace
from schemas.errors import Outage, Permanent, Rejected, Transient
from sink.process.cancellation import cancel_until_done

PATH = "/api/v1/transcribe/bulk"
MOST_LINES = 1000
MAX_BYTES = 2 * 1024 * 1024
AT_ONCE = 4  # lines, each with a connection to the database: others shall find one too
_BODY = {"description": "A body of /api/v1/transcribe a line.", "type": "string"}
_EXAMPLE = (
    '{"url": "https://media.example.com/1.opus"}\n{"url": "https://media.example.com/2.opus", "language": "he"}\n'
)

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


class BulkOutcome(BaseModel):
    """The outcome of a line: the job that was accepted, or the problem with it."""

    line: int = Field(description="The number of the line, from 1.", examples=[1])
    status: int = Field(description="What /api/v1/transcribe would have answered.", examples=[202])
    job: JobSummary | None = None
    problem: Problem | None = None
    retry_after: int | None = Field(
        None, description="Seconds after which this line may be taken, as Retry-After says for a request of its own."
    )


@router.post(
    PATH,
    operation_id="transcribeBulk",
    summary=f"Transcribe up to {MOST_LINES} recordings that lie at addresses",
    response_class=Response,
    responses={
        200: {
            "description": "An outcome a line, as NDJSON, in the order of the request",
            "content": {LINES: {"schema": {"$ref": "#/components/schemas/BulkOutcome"}}},
        },
        **problem_responses("invalid_request", "unauthorized", "busy", *BODY_CODES),
    },
    openapi_extra={"requestBody": {"required": True, "content": {LINES: {"schema": _BODY, "example": _EXAMPLE}}}},
)
async def transcribe_bulk(
    request: Request, services: ServicesDep, key: KeyDep, trace: TraceDep, idempotency_key: IdempotencyKey
) -> Response:
    """NDJSON: each line is a job of its own, which one bad line among them does not keep from being accepted.

    A job is durable when its line of the answer is there. Send all again with the same `Idempotency-Key` when the answer
    breaks off: no job comes twice, as long as its line stays where it is.
    """
    check_media_type(request.headers, LINES)
    lines = numbered_lines(await _body(request))
    async with AsyncExitStack() as held:
        await held.enter_async_context(services.bulks.one(key.tenant))
        submission = BulkSubmission(request, services, key.tenant, trace, idempotency_key)
        return OwningStream(submission.outcomes(lines), held.pop_all(), media_type=LINES)
    raise AssertionError("never reached")  # an exit stack of type checkers may swallow errors


@dataclass(slots=True)
class BulkSubmission:
    """The lines of one request on their way; once the database is away, none is tried any more."""

    request: Request
    services: Services
    tenant: str
    trace: Trace
    idempotency_key: str | None
    is_away: bool = field(default=False, init=False)
    turns: defaultdict[UUID, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)
    """One at a time for lines that name the same job: the first of them is the job."""

    async def outcomes(self, lines: list[tuple[int, bytes]]) -> AsyncIterator[str]:
        """The outcomes as lines of JSON, in order, while the next lines are on their way."""
        running: deque[asyncio.Task[BulkOutcome]] = deque()
        try:
            for number, line in lines:
                running.append(asyncio.create_task(self._outcome(number, line)))
                if len(running) == AT_ONCE:
                    yield _text(await running.popleft())
            while running:
                yield _text(await running.popleft())
        finally:
            await cancel_until_done(*running)

    async def _outcome(self, number: int, line: bytes) -> BulkOutcome:
        try:
            return BulkOutcome(line=number, status=HTTPStatus.ACCEPTED, job=await self._accepted(number, line))
        except Permanent as error:
            problem, seconds = problem_document(self.request, error), retry_seconds(error)
        except (Outage, Transient) as error:
            self.is_away = True
            self.request.scope["outage"] = str(error)
            away = Rejected("unavailable")
            problem, seconds = problem_document(self.request, away), retry_seconds(away)
        return BulkOutcome(line=number, status=problem.status, problem=problem, retry_after=seconds)

    async def _accepted(self, number: int, line: bytes) -> JobSummary:
        if self.is_away:
            raise Rejected("unavailable")
        try:
            body = TranscribeBody.model_validate(read_json(line))
        except ValidationError as error:
            raise invalid(error, TranscribeBody) from error
        job_id = self._id(number, body)
        source = await source_in(body, self.services, self.tenant, job_id)
        wanted = body.request(self.tenant, source, self.services.now(), job_id)
        with reuse_told(self.idempotency_key, JOB):
            async with self.turns[wanted.job_id]:
                return summary(await accepted_job(self.services, wanted, self.trace))

    def _id(self, number: int, body: TranscribeBody) -> UUID | None:
        own = None if self.idempotency_key is None else f"{number} {self.idempotency_key}"
        return chosen_id(own, self.tenant, BULK_JOB, body.job_id, "job_id")


def numbered_lines(body: bytes) -> list[tuple[int, bytes]]:
    """The lines with their numbers, without empty ones; raises Rejected when there are none, or too many."""
    lines = [(number, line) for number, line in enumerate(body.splitlines(), start=1) if line.strip()]
    if not lines:
        raise Rejected("invalid_request", "the body has no lines: send a JSON object a line")
    if len(lines) > MOST_LINES:
        raise Rejected("invalid_request", f"the body has {len(lines)} lines: at most {MOST_LINES} go in one request")
    return lines


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise Rejected("request_too_large", f"at most {MAX_BYTES} bytes")
    return bytes(body)


def _text(outcome: BulkOutcome) -> str:
    return outcome.model_dump_json() + "\n"
