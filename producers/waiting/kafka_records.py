"""Kafka facts about a job: its unfinished records of each group, the groups, and its dead letters."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from producers.inputs.id_prefix import IdPrefix
from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.topic_history import StoredRecord, TopicHistory
from producers.replay.dead_letters import DLQS, DeadLetterFilter, read
from producers.replay.skip import READ_BY
from producers.waiting.facts import GroupState, KafkaFacts, PendingRecord
from schemas.errors import Poison
from schemas.settings.kafka import KafkaSettings
from schemas.topics import is_retry_topic
from schemas.wire.headers import attempt_of, not_before_of
from schemas.wire.offset_metadata import begun_of, done_of, parts_of
from schemas.wire.serde import Serde

Topics = Mapping[str, Collection[str]]
Place = tuple[str, int]
MOST_SECONDS = 1e11  # since 1970: about the year 5138, which every datetime can hold


def read_kafka(
    settings: KafkaSettings,
    serde: Serde,
    job_id: UUID,
    since: datetime | None,
    topics: Topics = READ_BY,
    dlqs: Mapping[str, str] = DLQS,
) -> KafkaFacts:
    """Read the unfinished records of each group of `topics`; those before `since` are counted, and not searched.

    It takes as long as reading the lag of the groups since then. Raises Outage and Fatal.
    """
    pending: list[PendingRecord] = []
    groups: dict[str, GroupState] = {}
    with TopicHistory.open(settings) as history:
        for group, names in topics.items():
            groups[group], found = _look(settings, history, serde, job_id, since, group, names)
            pending += found
        wanted = DeadLetterFilter(job=IdPrefix(job_id.hex), since=since)
        letters = tuple(read(history, serde, wanted, dlqs, values=False))
    return KafkaFacts(pending=tuple(pending), groups=groups, letters=letters)


def _look(
    settings: KafkaSettings,
    history: TopicHistory,
    serde: Serde,
    job_id: UUID,
    since: datetime | None,
    group: str,
    topics: Collection[str],
) -> tuple[GroupState, list[PendingRecord]]:
    ranges = history.ranges(list(topics))
    with GroupOffsets.open(settings, group) as offsets:
        committed = offsets.committed(list(ranges))
        members = offsets.described()
    left = {place: Unfinished.after(low, high, *committed.get(place, (0, ""))) for place, (low, high) in ranges.items()}
    searched = history.later({place: (each.low, each.high) for place, each in left.items()}, since)
    before = Counter({place: left[place].up_to(low) for place, (low, _) in searched.items()})
    found = list(_pending(history.between(searched), serde, job_id, group, left, before))
    return GroupState(members=members, lag=sum(each.up_to(each.high) for each in left.values())), found


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Offsets of a partition that a group has not finished: from `low` up to `high`, without `done`."""

    low: int
    high: int
    done: frozenset[int]
    base: int
    metadata: str

    @classmethod
    def after(cls, low: int, high: int, base: int, metadata: str) -> "Unfinished":
        """The unfinished ones of the offsets from `low` up to `high` after a commit of `base`, 0 without one."""
        return cls(max(low, base), high, done_of(base, parts_of(metadata)[0]), base, metadata)

    def up_to(self, offset: int) -> int:
        """The number of unfinished offsets below an offset; about, for some offsets have no record."""
        return max(0, offset - self.low - sum(self.low <= each < offset for each in self.done))


def _pending(
    records: Iterator[StoredRecord],
    serde: Serde,
    job_id: UUID,
    group: str,
    left: Mapping[Place, Unfinished],
    before: Counter[Place],
) -> Iterator[PendingRecord]:
    """Unfinished records of the job, each with the number of unfinished records before it."""
    key = str(job_id).encode()
    for record in records:
        place = record.place.topic, record.place.partition
        unfinished = left[place]
        if record.place.offset in unfinished.done:
            continue
        if record.key == key:
            yield _record(record, serde, group, before[place], unfinished)
        before[place] += 1


def _record(record: StoredRecord, serde: Serde, group: str, before: int, left: Unfinished) -> PendingRecord:
    kind, run = _event(record, serde)
    return PendingRecord(
        group=group,
        place=record.place,
        at=record.at,
        event=kind,
        run=run,
        attempt=attempt_of(record.headers),
        not_before=_not_before(record),
        before=before,
        begun=begun_of(left.base, left.metadata).get(record.place.offset),
    )


def _event(record: StoredRecord, serde: Serde) -> tuple[str, int]:
    try:
        event = serde.decode_any(record.value)
    except Poison:
        return "", 1
    return event.KIND, getattr(event, "run", 1)


def _not_before(record: StoredRecord) -> datetime | None:
    """The due time of a retried record; only our own retry topics may ask for a delay."""
    due = not_before_of(record.headers) if is_retry_topic(record.place.topic) else None
    return datetime.fromtimestamp(due, UTC) if due is not None and due < MOST_SECONDS else None
