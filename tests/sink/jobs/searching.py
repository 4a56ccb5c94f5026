"""Transcripts that were written by the way of the persist app, to be searched."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from schemas.events import JobResult, Outcome
from schemas.transcript import Segment, Transcript
from sink.jobs.results import StoredTranscript, apply_request, apply_result
from sink.jobs.transcripts.search import SearchCursor, SearchResults, search
from sink.postgres.database import Database
from tests.samples import AT, BARE_REQUEST


async def write(
    db: Database,
    texts: Sequence[str],
    language: str = "en",
    tenant: str = "acme",
    at: datetime = AT,
    languages: Sequence[str | None] = (),
) -> uuid.UUID:
    """A completed job, by the way of the persist app."""
    request = replace(BARE_REQUEST, job_id=uuid.uuid4(), tenant=tenant, requested_at=at)
    result = JobResult(
        event_id=uuid.uuid4(),
        job_id=request.job_id,
        run=request.run,
        tenant=tenant,
        request=request,
        outcome=Outcome.COMPLETED,
        completed_at=at,
    )
    segments = tuple(
        Segment(start=float(n), end=n + 1.0, text=text, speaker="A", language=own)
        for n, (text, own) in enumerate(zip(texts, languages or [None] * len(texts), strict=True))
    )
    transcript = Transcript(language=language, duration=float(len(texts)), segments=segments)
    async with db.transaction() as connection:
        await apply_request(connection, request)
        await apply_result(connection, result, StoredTranscript(transcript, "s3://scribe/t.json"))
    return request.job_id


async def find(
    db: Database,
    text: str,
    *,
    tenant: str = "acme",
    language: str | None = None,
    after: SearchCursor | None = None,
    limit: int = 50,
) -> SearchResults:
    async with db.as_tenant(tenant) as connection:
        return await search(connection, text, language=language, after=after, limit=limit, seconds=60)


async def positions(db: Database, text: str, language: str | None = None) -> list[int]:
    return [hit.position for hit in (await find(db, text, language=language)).hits]
