"""Facts about a job: its rows, its records in Kafka, and the reports of processes. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from producers.kafka.group_offsets import GroupMember
from producers.replay.dead_letters import DeadLetter
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import WaitReport
from schemas.wire.headers import Origin
from schemas.wire.offset_metadata import BegunRecord
from sink.enhancements.waiting import HeldCall
from sink.jobs.queries import JobRow
from sink.jobs.unfinished.waiting import UnpublishedRecord
from sink.webhooks.waiting import HeldDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """Facts of the database at `now`, by its clock; `ahead`: earlier jobs of the same tenant and queue."""

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
    """A record of the job that a group has not finished; `before`: about how many unfinished ones lie before it."""

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
    """A consumer group: its processes, and its approximate lag in records."""

    members: tuple[GroupMember, ...] = ()
    lag: int = 0

    def owner(self, place: Origin) -> GroupMember | None:
        """The process to which the partition of a record is assigned."""
        return next((member for member in self.members if (place.topic, place.partition) in member.partitions), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFacts:
    """Facts of Kafka."""

    pending: tuple[PendingRecord, ...] = ()
    groups: Mapping[str, GroupState] = field(default_factory=dict)
    letters: tuple[DeadLetter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """Reports of the queried processes, by address."""

    reports: Mapping[str, WaitReport] = field(default_factory=dict)

    def record_report(self, place: Origin) -> tuple[str, str] | None:
        """The report of a process about a record (a reason or IN_WORK), and its address; None without one."""
        for url, report in self.reports.items():
            if (found := report.record(place.topic, place.partition, place.offset)) is not None:
                return found, url
        return None

    def gate(self, group: str, place: Origin, *, owned: bool) -> tuple[WaitReason, str] | None:
        """The gate before a record that no queried process has in hand, and the address of the process; None without one.

        Only the process that has the partition counts; while it is not `owned`, any process of the group.
        """
        for url, report in self.reports.items():
            state = report.partition(group, place.topic, place.partition)
            if owned and state is None:
                continue
            gates = (*(state.paused_by if state else ()), *report.closed_groups(group))
            # a commit that is late holds what is done, and nothing that is still to come
            if (first := next((gate for gate in gates if gate is not WaitReason.COMMIT_PENDING), None)) is not None:
                return first, url
        return None
