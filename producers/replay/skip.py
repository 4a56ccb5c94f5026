"""Skipping of a record that blocks a group: an operator's order sets it aside as a dead letter.

Faust apps read the order from the database, running or not. GPU processes have no database: while none of them runs,
the record is marked as finished in the group's offset metadata, and its dead letter and its job's end are written from
here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from producers.kafka.group_offsets import GroupOffsets, GroupPosition
from producers.kafka.topic_history import StoredRecord, TopicHistory
from producers.messages.absence import NotThere
from producers.replay.dead_letters import group_of
from schemas.errors import Permanent, Poison, Rejected
from schemas.events import JobError, JobRequested, JobResult, Outcome, TranscriptReady, event_id
from schemas.ports import RecordPublisher, Refused
from schemas.retries.schedules import LADDER
from schemas.topics import (
    DIARIZERS,
    READS,
    RESULTS,
    TRANSCRIBERS,
    dlq_topic,
    may_take_results,
    retry_topic,
)
from schemas.wire.headers import RESULTS_TO, VALUE_OMITTED, Origin, dead_letter_headers, own_headers
from schemas.wire.offset_metadata import MAX_METADATA, covers, with_done
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde

GPU_GROUPS = (TRANSCRIBERS, DIARIZERS)
Topics = Mapping[str, Collection[str]]
READ_BY: Topics = {
    group: (*topics, *(retry_topic(group, step) for step in LADDER.read if group in GPU_GROUPS))
    for group, topics in READS.items()
}
"""The topics in which each group may be stopped by a record."""
_PLACE = re.compile(r"([\w.-]+)/(\d{1,9})/(\d{1,18})")


@dataclass(frozen=True, slots=True)
class SkipOrder:
    """The order to skip a record: the record, the group, and the operator."""

    group: str
    place: Origin
    requested_by: str

    @property
    def reason(self) -> str:
        """The reason in dead letters."""
        return f"passed over by {self.requested_by}"


def order_of(group: str, text: str, requested_by: str, topics: Topics = READ_BY) -> SkipOrder:
    """The order from an operator's text; raises Rejected(invalid_request) with the valid choices."""
    name = group_of(group)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Rejected("invalid_request", f"'{text}' is no TOPIC/PARTITION/OFFSET such as scribe.jobs/3/1234")
    place = Origin(found[1], int(found[2]), int(found[3]))
    if place.topic not in topics[name]:
        raise Rejected("invalid_request", f"{name} does not read {place.topic}; it reads {', '.join(topics[name])}")
    return SkipOrder(name, place, requested_by)


def check_position(order: SkipOrder, position: GroupPosition) -> None:
    """Raise Rejected where there is no record to skip, or the group has already passed it."""
    place = order.place
    where = f"{place.topic}/{place.partition}"
    if place.offset >= position.high:
        raise Rejected("invalid_request", f"{where} ends before offset {position.high}: there is no such record yet")
    if place.offset < position.low:
        raise NotThere(f"{where} begins at offset {position.low}: the record is over")
    if position.committed is not None and covers(position.committed, position.metadata, place.offset):
        raise Rejected("invalid_request", f"{order.group} has passed {where}/{place.offset} already")


def pass_over(
    offsets: GroupOffsets,
    history: TopicHistory,
    publisher: RecordPublisher,
    serde: Serde,
    order: SkipOrder,
    now: datetime,
    results: str = RESULTS,
) -> None:
    """Set a record of a stopped GPU group aside: first its dead letter and the end of its job, then the offset.

    Raises Rejected when its processes run, or when the metadata cannot mark the record; Outage: do it again.
    """
    position = offsets.position(order.place.topic, order.place.partition)
    check_position(order, position)
    check_stopped(offsets, order)
    base, metadata = moved(order, position)
    publish(publisher, serde, order, found(history, order), now, results)
    offsets.commit(order.place.topic, order.place.partition, base, metadata)


def check_stopped(offsets: GroupOffsets, order: SkipOrder) -> None:
    """Raise Rejected while processes of a GPU group run: they would not notice, and overwrite the offset."""
    if members := offsets.members():
        raise Rejected(
            "invalid_request",
            f"{members} processes of {order.group} run: stop them first, or end the job with `scribe cancel`."
            " A record that ends processes is set aside by themselves",
        )


def moved(order: SkipOrder, position: GroupPosition) -> tuple[int, str]:
    """The offset and metadata to commit, with the record marked as finished; raises Rejected if there is no room."""
    base = position.low if position.committed is None else max(position.committed, position.low)
    metadata = with_done(base, position.metadata if base == position.committed else "", order.place.offset)
    if len(metadata) > MAX_METADATA or not covers(base, metadata, order.place.offset):
        raise Rejected("invalid_request", f"it lies too far behind offset {base}, where {order.group} stands")
    return base, metadata


def found(history: TopicHistory, order: SkipOrder) -> StoredRecord:
    """The record; raises Rejected(not_found) for an offset without one, such as the end of a transaction."""
    record = history.at(order.place)
    if record is None:
        raise NotThere("there is no record at this offset, which is no trouble to any group")
    return record


def publish(
    publisher: RecordPublisher,
    serde: Serde,
    order: SkipOrder,
    record: StoredRecord,
    now: datetime,
    results: str = RESULTS,
) -> None:
    """Write the dead letter, and the end of the job if the record belongs to one; raises Outage."""
    letter, end = letter_of(order, record), end_of(serde, record, now, results)
    ends = [] if end is None else [end]
    try:
        publisher.publish(letter, *ends)
    except Refused:
        publisher.publish(_smaller(letter), *ends)


def letter_of(order: SkipOrder, record: StoredRecord) -> Record:
    """The dead letter of a skipped record."""
    headers = dead_letter_headers(record.headers, order.place, order.group, "internal", "skipped", order.reason)
    return Record(dlq_topic(order.group), record.key, record.value, headers)


def end_of(serde: Serde, record: StoredRecord, now: datetime, results: str = RESULTS) -> Record | None:
    """The failed result of the job of a GPU group's record, None when it belongs to none."""
    try:
        event = serde.decode_any(record.value)
    except Poison:
        return None
    if not isinstance(event, JobRequested | TranscriptReady):
        return None
    request = event.request if isinstance(event, TranscriptReady) else event
    passed_over = Permanent("skipped")
    result = JobResult(
        event_id=event_id(request.job_id, JobResult.KIND, request.run),
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request.without_query(),
        outcome=Outcome.FAILED,
        audio=event.audio if isinstance(event, TranscriptReady) else None,
        error=JobError(kind=passed_over.kind.value, code=passed_over.code, message=passed_over.message),
        completed_at=now,
    )
    elsewhere = record.headers.get(RESULTS_TO, "")
    topic = elsewhere if may_take_results(elsewhere) else results
    return record_of(serde, topic, result, "scribe-dlq", now)


def _smaller(letter: Record) -> Record:
    headers = own_headers(letter.headers) | {VALUE_OMITTED: str(len(letter.value or b""))}
    return replace(letter, key=(letter.key or b"")[:1000] or None, value=None, headers=headers)
