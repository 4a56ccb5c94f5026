"""Resent records: the same bytes, or the event of a new run of the job. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from producers.replay.dead_letters import DeadLetter
from schemas.events import Event, JobRequested, JobResult, TranscriptReady, event_id
from schemas.retries.schedules import LADDER
from schemas.topics import DIARIZERS, PERSIST, TRANSCRIBERS, retry_topic
from schemas.wire.headers import NOT_BEFORE, TRACEPARENT, Headers, event_headers, renewed_headers
from schemas.wire.records import Record
from schemas.wire.serde import Serde

RunEvent = JobRequested | TranscriptReady | JobResult
_RENEWED: Mapping[str, type[RunEvent]] = {
    TRANSCRIBERS: JobRequested,
    DIARIZERS: TranscriptReady,
    # the job has ended already, as failed, because its result could not be applied
    PERSIST: JobResult,
}
"""What begins the next run of its job when it is taken from the dead letters of a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changed options of a new run; None: as before, '': the default of the service."""

    model: str | None = None
    language: str | None = None
    track: str | None = None

    def applied_to(self, request: JobRequested) -> JobRequested:
        """The request with the changes."""
        model = request.options.model if self.model is None else self.model or None
        language = request.options.language if self.language is None else self.language or None
        track = request.options.track if self.track is None else self.track or None
        return replace(request, options=replace(request.options, model=model, language=language, track=track))


def begins_run(letter: DeadLetter) -> RunEvent | None:
    """The event of a dead letter that starts a new run of its job.

    None when the record is resent unchanged: it cannot be decoded, or its run goes on and only the group that set it
    aside has not processed it.
    """
    expected = _RENEWED.get(letter.group)
    return letter.event if expected is not None and isinstance(letter.event, expected) else None


def of_run(event: RunEvent, run: int, now: datetime, changes: Changes = Changes()) -> RunEvent:
    """The event in another run; an expiry that has passed by `now` is removed."""
    if isinstance(event, JobRequested):
        return _requested(event, run, now, changes)
    ident = event_id(event.job_id, event.KIND, run)
    request = _requested(event.request, run, now, changes)
    return replace(event, event_id=ident, run=run, request=request)


def _requested(request: JobRequested, run: int, now: datetime, changes: Changes) -> JobRequested:
    expired = request.expires_at is not None and request.expires_at <= now
    return changes.applied_to(replace(request, run=run, expires_at=None if expired else request.expires_at))


def renewed(
    serde: Serde, event: RunEvent, topic: str, headers: Headers, replay_id: UUID, now: datetime, command: str
) -> Record:
    """The record of a new run; headers of other systems, the trace and RESULTS_TO are kept."""
    own = event_headers(event, command, now, headers.get(TRACEPARENT))
    key = str(event.job_id).encode()
    return Record(topic, key, serde.encode(event), {**renewed_headers(headers, replay_id), **own})


def redriven(
    serde: Serde, letter: DeadLetter, replay_id: UUID, run: int | None, step: str | None, now: datetime
) -> Record:
    """The record of a redriven dead letter: at its origin, or on a step of its group's retry ladder.

    With `run` it is the event of that run, for all readers of the topic. Without one it is the original bytes, and only
    for the group that set it aside, since the others have processed it. A redirected result keeps its destination.
    """
    origin = letter.origin
    if origin is None:
        raise ValueError(f"{letter.name} has no origin")
    topic = retry_topic(letter.group, step) if step else origin.topic
    event = begins_run(letter)
    if run is not None and event is not None:
        record = renewed(serde, of_run(event, run, now), topic, letter.record.headers, replay_id, now, "scribe-dlq")
    else:
        headers = renewed_headers(letter.record.headers, replay_id, letter.group)
        record = Record(topic, letter.record.key, letter.record.value, headers)
    if step:
        due = now + timedelta(seconds=LADDER.steps[step])
        record.headers[NOT_BEFORE] = str(int(due.timestamp() * 1000))
    return record


def recording_of(event: Event | None) -> tuple[str, ...]:
    """The addresses of the objects that a run of the event needs and that this service keeps."""
    match event:
        case JobRequested():
            return (event.source.uri,)
        case TranscriptReady() | JobResult():
            claim = (event.claim_check.uri,) if event.claim_check else ()
            return (event.audio.uri, *claim) if isinstance(event, TranscriptReady) else claim
    return ()
