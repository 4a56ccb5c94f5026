"""Explanation of a job's wait: one decision over the known facts. Pure.

The gate nearest to the end of the job's path counts: a result that is not applied, then a record that a GPU group has
not finished, then the outbox; webhooks and enhancements have their own gates.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from producers.waiting.facts import GroupState, KafkaFacts, PendingRecord, ProcessFacts, RowFacts
from schemas.events import EnhancementResult, JobResult
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason
from schemas.process.wait_report import IN_WORK
from schemas.topics import DIARIZERS, ENHANCE, PERSIST, TRANSCRIBERS, WEBHOOKS
from schemas.vocabulary.job_states import ENDED, JobState
from sink.jobs.queries import JobRow

GPU_GROUPS = (DIARIZERS, TRANSCRIBERS)  # the one that is further on first
SILENT = timedelta(minutes=2)  # a job in work tells how far it is once a second
_REASONS = frozenset(WaitReason)


class WaitSubject(StrEnum):
    """The part of a job that is held."""

    JOB = "job"
    WEBHOOK = "webhook"
    ENHANCEMENT = "enhancement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One gate that holds the job, its webhook or its enhancement; `evidence` is for operators."""

    subject: WaitSubject
    id: UUID
    reason: WaitReason
    since: datetime | None
    next_at: datetime | None = None
    ahead: int | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The state of a job in one sentence, and all the gates that hold a part of it."""

    job_id: UUID
    state: str
    since: datetime | None
    sentence: str
    waits: tuple[Wait, ...]
    evidence: tuple[str, ...] = ()


def explain(
    rows: RowFacts, kafka: KafkaFacts | None = None, processes: ProcessFacts | None = None
) -> Explanation | None:
    """The explanation of a job; None when it is unknown. Without `kafka` only facts of the database count."""
    if rows.job is None and not (rows.unpublished or (kafka and (kafka.pending or kafka.letters))):
        return None
    held, evidence = _job(rows, kafka, processes or ProcessFacts())
    waits = [*([held] if held else ()), *_cancelling(rows), *_after(rows, kafka)]
    state = "unknown" if rows.job is None else rows.job.state
    return Explanation(
        job_id=rows.job_id,
        state=state,
        since=rows.state_since,
        sentence=_sentence(rows.job, waits),
        waits=tuple(waits),
        evidence=(*evidence, *(f"legal hold, it may not be erased: {reason}" for reason in rows.holds)),
    )


def _sentence(job: JobRow | None, waits: list[Wait]) -> str:
    if any(wait.subject is WaitSubject.JOB for wait in waits):
        return WAIT_REASONS[waits[0].reason].sentence
    if job is None or job.state not in ENDED:
        return "Nothing holds it: it is being worked on."
    return WAIT_REASONS[waits[0].reason].sentence if waits else f"Nothing holds it: it has ended ({job.state})."


def _job(rows: RowFacts, kafka: KafkaFacts | None, processes: ProcessFacts) -> tuple[Wait | None, tuple[str, ...]]:
    """The gate that holds the job itself, or else the evidence that it is being processed."""
    if _has_ended(rows, kafka):
        return None, ()
    wait = Wait(subject=WaitSubject.JOB, id=rows.job_id, reason=WaitReason.BACKLOG, since=rows.state_since)
    for record in rows.unpublished:
        if record.is_job:
            reason = WaitReason.OUTBOX_REFUSED if record.failed_at else WaitReason.OUTBOX_UNPUBLISHED
            evidence: tuple[str, ...] = (
                f"outbox: a record for {record.topic} since {record.created_at:%Y-%m-%d %H:%M:%S} UTC",
            )
            evidence += (f"Kafka refused it: {record.failed_reason}",) if record.failed_reason else ()
            return replace(wait, reason=reason, since=record.created_at, evidence=evidence), ()
    if kafka is None:
        return _by_row(rows, wait), ()
    return _by_records(rows, wait, kafka, processes)


def _has_ended(rows: RowFacts, kafka: KafkaFacts | None) -> bool:
    """Whether the job has ended and no later run is on its way."""
    job = rows.job
    if job is None or job.state not in ENDED:
        return False
    return kafka is None or not any(record.run > job.run for record in kafka.pending)


def _by_row(rows: RowFacts, wait: Wait) -> Wait | None:
    """The gate of a job in Kafka, judged by the database alone."""
    job = rows.job
    if job is None or job.state == JobState.QUEUED:
        # without others of its own before it, it may be the next one
        return replace(wait, reason=WaitReason.TURN if rows.ahead == 0 else WaitReason.BACKLOG, ahead=rows.ahead)
    if rows.now - job.updated_at > SILENT:
        return replace(wait, reason=WaitReason.UNHEARD, since=job.updated_at)
    return None


def _by_records(
    rows: RowFacts, wait: Wait, kafka: KafkaFacts, processes: ProcessFacts
) -> tuple[Wait | None, tuple[str, ...]]:
    for record in _pending_records(rows, kafka, PERSIST, JobResult.KIND):
        return replace(wait, reason=WaitReason.RESULT_NOT_APPLIED, since=record.at, evidence=_lines(record, kafka)), ()
    for group in GPU_GROUPS:
        for record in _pending_records(rows, kafka, group):
            reason, words = _gpu_reason(rows, record, kafka.groups.get(group, GroupState()), processes)
            evidence = (*_lines(record, kafka), *words)
            if reason is None:
                return None, evidence
            next_at = record.not_before if reason is WaitReason.RETRY_DELAY else None
            return replace(
                wait, reason=reason, since=record.at, next_at=next_at, ahead=record.before, evidence=evidence
            ), ()
    if kafka.letters:
        evidence = tuple(f"dead letter {each.name}: {each.code}: {each.message}" for each in kafka.letters)
        return replace(wait, reason=WaitReason.DEAD_LETTER, since=kafka.letters[-1].record.at, evidence=evidence), ()
    return replace(wait, reason=WaitReason.NO_RECORD), ()


def _gpu_reason(
    rows: RowFacts, record: PendingRecord, group: GroupState, processes: ProcessFacts
) -> tuple[WaitReason | None, tuple[str, ...]]:
    """The gate of a record that a GPU group has not finished, None when it is in work; and the evidence."""
    if (report := processes.record_report(record.place)) is not None:
        word, url = report
        if word in _REASONS:
            return WaitReason(word), (f"{url} has it",)
        return None, (f"{url} works on it" if word == IN_WORK else f"{url} says: {word}",)
    if record.not_before is not None and record.not_before > rows.now:
        return WaitReason.RETRY_DELAY, ()
    owned = group.owner(record.place) is not None
    if (gate := processes.gate(record.group, record.place, owned=owned)) is not None:
        reason, url = gate
        return reason, (f"{url} lets nothing through",)
    if not group.members:
        return WaitReason.NO_MEMBERS, ()
    if record.begun is not None and record.begun.suspect:
        return WaitReason.SUSPECT, (f"{record.begun.deaths} processes died while it ran alone",)
    if record.begun is not None or _is_heard_of(rows):
        return None, ()
    return WaitReason.BACKLOG, tuple(_whom_to_ask(record, group))


def _whom_to_ask(record: PendingRecord, group: GroupState) -> Iterator[str]:
    if (owner := group.owner(record.place)) is not None:
        yield (
            f"{owner.client_id} at {owner.host} has its partition: ask that process what holds it,"
            " with --process http://HOST:SCRIBE_METRICS_PORT"
        )


def _is_heard_of(rows: RowFacts) -> bool:
    job = rows.job
    return job is not None and job.state != JobState.QUEUED and rows.now - job.updated_at <= SILENT


def _pending_records(rows: RowFacts, kafka: KafkaFacts, group: str, event: str | None = None) -> list[PendingRecord]:
    """The unfinished records of a group for the current run, the latest attempt first."""
    least = 0 if rows.job is None else rows.job.run
    found = (
        record
        for record in kafka.pending
        if record.group == group and record.run >= least and event in (None, record.event)
    )
    return sorted(found, key=lambda record: (record.run, record.attempt, record.at), reverse=True)


def _lines(record: PendingRecord, kafka: KafkaFacts) -> tuple[str, ...]:
    place, group = record.place, kafka.groups.get(record.group, GroupState())
    before = f", {record.before} before it" if record.before else ""
    attempt = f", attempt {record.attempt}" if record.attempt > 1 else ""
    processes = f"{len(group.members) or 'no'} process{'' if len(group.members) == 1 else 'es'}"
    return (
        f"record {place.topic}/{place.partition}/{place.offset}{attempt}{before}",
        f"group {record.group}: {processes}, about {group.lag} records behind",
    )


def _cancelling(rows: RowFacts) -> Iterable[Wait]:
    job = rows.job
    if job is None or job.state in ENDED or job.cancelled_run < job.run:
        return
    waits = any(record.is_order for record in rows.unpublished)
    yield Wait(
        subject=WaitSubject.JOB,
        id=rows.job_id,
        reason=WaitReason.CANCELLING,
        since=job.cancel_requested_at,
        evidence=("the order waits in the outbox",) if waits else (),
    )


def _after(rows: RowFacts, kafka: KafkaFacts | None) -> Iterator[Wait]:
    """The gates that hold webhooks and enhancements."""
    for delivery in rows.deliveries:
        yield Wait(
            subject=WaitSubject.WEBHOOK,
            id=delivery.delivery_id,
            reason=delivery.reason,
            since=delivery.created_at,
            next_at=delivery.next_at,
            evidence=tuple(_delivery_lines(delivery.type, delivery.url, delivery.attempts, delivery.endpoint_reason)),
        )
    for call in rows.calls:
        yield Wait(
            subject=WaitSubject.ENHANCEMENT,
            id=call.enhancement_id,
            reason=call.reason,
            since=call.created_at,
            next_at=call.next_at,
            evidence=(f"{call.attempts} attempts",) if call.attempts else (),
        )
    if kafka is not None:
        yield from _unscheduled(rows, kafka)


def _delivery_lines(kind: str, url: str, attempts: int, endpoint_reason: str | None) -> Iterator[str]:
    yield f"{kind} to {url}" + (f", {attempts} attempts" if attempts else "")
    if endpoint_reason is not None:
        yield f"the endpoint: {endpoint_reason}"


def _unscheduled(rows: RowFacts, kafka: KafkaFacts) -> Iterator[Wait]:
    """Gates for results that the webhook, enhancement or persist app has not read yet."""
    request = {} if rows.job is None else rows.job.request
    steps = (
        (WEBHOOKS, WaitSubject.WEBHOOK, WaitReason.WEBHOOK_UNSCHEDULED, request.get("webhook_url")),
        (ENHANCE, WaitSubject.ENHANCEMENT, WaitReason.ENHANCEMENT_UNSCHEDULED, request.get("enhancement")),
    )
    for group, subject, reason, wanted in steps:
        for record in _pending_records(rows, kafka, group)[:1] if wanted else ():
            yield Wait(subject=subject, id=rows.job_id, reason=reason, since=record.at, evidence=_lines(record, kafka))
    for record in _pending_records(rows, kafka, PERSIST, EnhancementResult.KIND):
        reason = WaitReason.RESULT_NOT_APPLIED
        evidence = _lines(record, kafka)
        yield Wait(subject=WaitSubject.ENHANCEMENT, id=rows.job_id, reason=reason, since=record.at, evidence=evidence)
