"""Wait report of a process: the jobs that it holds, shown by `/readyz?verbose` and read by `scribe why`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.process.wait_reasons import WAIT_REASONS, WaitReason

IN_WORK = "in_work"
"""What is told of a record that nothing holds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of jobs (or webhooks, or enhancements) held by one gate, and the age of the first in seconds."""

    group: str
    reason: WaitReason
    jobs: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class ClosedGate:
    """A closed gate: the number of partitions that it pauses, or 1 for a whole group."""

    group: str
    reason: WaitReason
    gates: int = 1


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition of a process: its committed offset, the number of records in hand, and its pause reasons.

    `records` has the reason that holds each record in hand, or IN_WORK, by its offset.
    """

    group: str
    topic: str
    partition: int
    committed: int | None
    in_hand: int
    paused_by: tuple[WaitReason, ...] = ()
    records: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitReport:
    """Everything that a process holds, without naming any job or tenant."""

    waiting: tuple[Waiting, ...] = ()
    closed: tuple[ClosedGate, ...] = ()
    partitions: tuple[PartitionState, ...] = ()

    def record(self, topic: str, partition: int, offset: int) -> str | None:
        """The state of one record: a reason, IN_WORK, or None when the process does not have it."""
        found = (p for p in self.partitions if (p.topic, p.partition) == (topic, partition))
        return next((p.records.get(offset) for p in found), None)

    def partition(self, group: str, topic: str, number: int) -> PartitionState | None:
        """The reported state of a partition that a group reads; None when the process does not have it."""
        place = group, topic, number
        return next((p for p in self.partitions if (p.group, p.topic, p.partition) == place), None)

    def closed_groups(self, group: str) -> tuple[WaitReason, ...]:
        """The gates that are closed for all partitions of a group."""
        single = {reason for p in self.partitions if p.group == group for reason in p.paused_by}
        return tuple(each.reason for each in self.closed if each.group == group and each.reason not in single)


def merged(reports: Iterable[WaitReport]) -> WaitReport:
    """Several reports as one; a gate of which several tell counts once."""
    found = list(reports)
    return WaitReport(
        tuple(each for report in found for each in report.waiting),
        tuple(dict.fromkeys(each for report in found for each in report.closed)),
        tuple(each for report in found for each in report.partitions),
    )


def to_json(report: WaitReport) -> dict[str, Any]:
    """The report as JSON values, each reason with its sentence."""
    return {
        "waiting": [
            {
                "group": each.group,
                "reason": each.reason.value,
                "jobs": each.jobs,
                "oldest_seconds": round(each.oldest_seconds, 3),
                "sentence": WAIT_REASONS[each.reason].sentence,
            }
            for each in report.waiting
        ],
        "closed": [{"group": each.group, "reason": each.reason.value, "gates": each.gates} for each in report.closed],
        "partitions": [
            {
                "group": each.group,
                "topic": each.topic,
                "partition": each.partition,
                "committed": each.committed,
                "in_hand": each.in_hand,
                "paused_by": [reason.value for reason in each.paused_by],
                "records": {str(offset): str(reason) for offset, reason in sorted(each.records.items())},
            }
            for each in report.partitions
        ],
    }


def from_json(plain: Mapping[str, Any]) -> WaitReport:
    """The report that `to_json` wrote; reasons of a later version are left out. Raises ValueError for anything else."""
    try:
        return WaitReport(
            tuple(
                Waiting(each["group"], WaitReason(each["reason"]), int(each["jobs"]), float(each["oldest_seconds"]))
                for each in _known(plain["waiting"])
            ),
            tuple(
                ClosedGate(each["group"], WaitReason(each["reason"]), int(each["gates"]))
                for each in _known(plain["closed"])
            ),
            tuple(map(_partition, plain["partitions"])),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no report of what waits: {error!r}") from error


def _known(rows: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (row for row in rows if row["reason"] in _REASONS)


def _partition(plain: Mapping[str, Any]) -> PartitionState:
    return PartitionState(
        plain["group"],
        plain["topic"],
        int(plain["partition"]),
        plain["committed"],
        int(plain["in_hand"]),
        tuple(WaitReason(reason) for reason in plain["paused_by"] if reason in _REASONS),
        {int(offset): str(reason) for offset, reason in plain["records"].items()},
    )


_REASONS = frozenset(reason.value for reason in WaitReason)
