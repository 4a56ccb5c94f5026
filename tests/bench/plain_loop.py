"""What the persist app is measured against: a plain psycopg loop that writes the same rows and objects, and nothing else.

It gets the results as values, so it reads no Kafka, decodes nothing, and asks for nothing: per group it writes the
objects concurrently, then the rows by `executemany`, in one transaction.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from schemas.events import JobResult
from schemas.ports import ObjectStore
from schemas.requests.identity import request_digest
from schemas.transcript import Word
from schemas.wire.object_keys import transcript_key
from schemas.wire.serde import to_json, to_json_text
from sink.jobs.runs import stored_request

JOB = """
INSERT INTO jobs (job_id, tenant, recording_id, run, state, request, requested_at, language, language_probability,
    duration, done_seconds, total_seconds, speakers, models, timings, warnings, transcript_uri, result_event_id, completed_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
SEGMENT = """
INSERT INTO segments (job_id, position, start_s, end_s, speaker, channel, text, words)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
HISTORY = "INSERT INTO job_events (job_id, run, state, at) VALUES (%s, %s, %s, %s)"
APPLIED = "INSERT INTO applied_events (event_id, job_id, asked) VALUES (%s, %s, %s)"


@dataclass(frozen=True)
class Rows:
    """All of one result."""

    job: tuple[Any, ...]
    segments: list[tuple[Any, ...]]
    history: list[tuple[Any, ...]]
    applied: tuple[Any, ...]


def rows_of(result: JobResult, uri: str) -> Rows:
    """The rows that the persist app writes for the same result."""
    transcript, request = result.transcript, result.request
    assert transcript is not None
    job = (
        *(result.job_id, result.tenant, request.recording_id, result.run, "completed", Jsonb(to_json(request))),
        *(request.requested_at, transcript.language, transcript.language_probability),
        *(transcript.duration, transcript.duration, transcript.duration, list(result.speakers)),
        *(Jsonb([asdict(model) for model in result.models]), Jsonb(result.timings), list(transcript.warnings)),
        *(uri, result.event_id, result.completed_at),
    )
    segments = [
        (result.job_id, n, s.start, s.end, s.speaker, s.channel, s.text, Jsonb([_plain(word) for word in s.words]))
        for n, s in enumerate(transcript.segments)
    ]
    history = [
        (result.job_id, 1, "queued", request.requested_at),
        (result.job_id, 1, "completed", result.completed_at),
    ]
    return Rows(job, segments, history, (result.event_id, result.job_id, request_digest(stored_request(request))))


def _plain(word: Word) -> dict[str, Any]:
    return {
        "start": word.start,
        "end": word.end,
        "text": word.text,
        "probability": word.probability,
        "speaker": word.speaker,
    }


def run(dsn: str, store: ObjectStore, results: Sequence[JobResult], group: int) -> float:
    """Write everything; gives results per second."""
    with ThreadPoolExecutor(16) as threads, psycopg.connect(dsn) as connection:
        began = time.perf_counter()
        for some in _groups(results, group):
            uris = list(threads.map(lambda result: _put(store, result), some))
            _write(connection, [rows_of(result, uri) for result, uri in zip(some, uris, strict=True)])
        return len(results) / (time.perf_counter() - began)


def _groups(results: Sequence[JobResult], group: int) -> Iterator[Sequence[JobResult]]:
    for start in range(0, len(results), group):
        yield results[start : start + group]


def _put(store: ObjectStore, result: JobResult) -> str:
    assert result.transcript is not None
    key = transcript_key(result.tenant, result.job_id, result.run)
    assert store.put(key, to_json_text(result.transcript), content_type="application/json", if_absent=True)
    return store.uri(key)


def _write(connection: psycopg.Connection[Any], some: Sequence[Rows]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(JOB, [rows.job for rows in some])
        cursor.executemany(SEGMENT, [segment for rows in some for segment in rows.segments])
        cursor.executemany(HISTORY, [change for rows in some for change in rows.history])
        cursor.executemany(APPLIED, [rows.applied for rows in some])
    connection.commit()
