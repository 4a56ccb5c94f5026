"""What is known of a job that somebody asks about: its rows, its records in Kafka, what processes say of them. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from producers.kafka.group_offsets import GroupMember
from producers.replay.dead_letters import DeadLetter
from schemas.process.wait_report import WaitReport
from schemas.wire.headers import Origin
from schemas.wire.offset_metadata import BegunRecord
from sink.enhancements.waiting import HeldCall
from sink.jobs.queries import JobRow
from sink.jobs.waiting import UnpublishedRecord
from sink.webhooks.waiting import HeldDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """What the database knows at `now`, by its clock; `ahead`: jobs of the same tenant and queue that came before."""

    job_id: UUID
    now: datetime
    job: JobRow | None = None
    state_since: datetime | None = None
    unpublished: tuple[UnpublishedRecord, ...] = ()
    ahead: int | None = None
    deliveries: tuple[HeldDelivery, ...] = ()
    calls: tuple[HeldCall, ...] = ()
    holds: tuple[str, ...] = ()
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRecord:
    """A record of the job that a group has not finished; `before`: how many others of its partition it has not either."""

    group: str
    place: Origin
    at: datetime
    event: str
    """The name of its event, such as JobResult; empty when nobody can read it."""
    run: int = 1
    attempt: int = 1
    not_before: datetime | None = None
    before: int = 0
    begun: BegunRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """A consumer group: its processes, and about how many records it is behind."""

    members: tuple[GroupMember, ...] = ()
    lag: int = 0

    def owner(self, place: Origin) -> GroupMember | None:
        """The process that has the partition of a record."""
        return next((member for member in self.members if (place.topic, place.partition) in member.partitions), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFacts:
    """What Kafka knows."""

    pending: tuple[PendingRecord, ...] = ()
    groups: Mapping[str, GroupState] = field(default_factory=dict)
    letters: tuple[DeadLetter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """What the processes say that were asked, by their addresses."""

    reports: Mapping[str, WaitReport] = field(default_factory=dict)

    def told(self, place: Origin) -> tuple[str, str] | None:
        """What one of them says of a record (a reason or IN_WORK), and which; None when none has it."""
        for url, report in self.reports.items():
            if (found := report.record(place.topic, place.partition, place.offset)) is not None:
                return found, url
        return None
