"""Report of waiting records in one group: its gates, collected for `/readyz?verbose` and metrics."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.runtime.tasks import JobTask
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import IN_WORK, ClosedGate, PartitionState, Waiting, WaitReport

Records = Mapping[int, WaitReason | None]
"""What holds each record of a partition, None what is worked on."""


def closed_gates(
    *, joined: bool, producing: bool, caught_up: bool, draining: bool, committing: bool
) -> tuple[WaitReason, ...]:
    """Gates that hold a whole group; none when it works. `producing`: its producer is open, as it is before it joins.

    A producer that is closed later was given up after a transaction whose end is not known, and is opened again.
    """
    gates = (
        (WaitReason.DRAINING, draining),
        (WaitReason.ORDERS_UNKNOWN, not caught_up),
        (WaitReason.STARTING, not joined),
        (WaitReason.COMMIT_PENDING, not committing or (joined and not producing)),
    )
    return tuple(reason for reason, closed in gates if closed)


def report_of(
    group: str,
    partitions: Iterable[OwnedPartition],
    held: Iterable[tuple[JobTask, WaitReason]],
    working: Iterable[JobTask],
    closed: Sequence[WaitReason],
    *,
    full: bool,
) -> WaitReport:
    """The report of a group; `held` are tasks with their reasons, `full`: the limit in flight is reached.

    Records in flight that no other part holds are on their way to the workers' queue, and count as waiting for their
    turn.
    """
    known: dict[int, dict[int, WaitReason | None]] = defaultdict(dict)
    for task in working:
        known[id(task.partition)][task.delivery.offset] = None
    for task, reason in held:
        known[id(task.partition)][task.delivery.offset] = reason
    states, waiting, now = [], _Tally(group), time.monotonic()
    for partition in partitions:
        records = dict(_records(partition, known[id(partition)]))
        since = dict(partition.since)
        waiting.add((reason, now - since.get(offset, now)) for offset, reason in records.items())
        states.append(_state(group, partition, records, full))
    gates = Counter(reason for state in states for reason in state.paused_by) + Counter(closed)
    return WaitReport(
        waiting.found(), tuple(ClosedGate(group, reason, number) for reason, number in gates.items()), tuple(states)
    )


def _records(partition: OwnedPartition, known: Records) -> Iterator[tuple[int, WaitReason | None]]:
    held = {delivery.offset for _, delivery in tuple(partition.gate.held)}
    for offset in tuple(partition.offsets.in_flight):
        yield offset, WaitReason.RETRY_DELAY if offset in held else known.get(offset, WaitReason.TURN)


def _state(group: str, partition: OwnedPartition, records: Records, full: bool) -> PartitionState:
    return PartitionState(
        group,
        partition.topic,
        partition.partition,
        None if partition.committed is None else partition.committed.base,
        len(records),
        partition.gate.reasons(full),
        {offset: IN_WORK if reason is None else reason for offset, reason in records.items()},
    )


class _Tally:
    """The number of waiting records per reason, and the age of the first."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._ages: dict[WaitReason, list[float]] = defaultdict(list)

    def add(self, records: Iterable[tuple[WaitReason | None, float]]) -> None:
        for reason, age in records:
            if reason is not None:
                self._ages[reason].append(age)

    def found(self) -> tuple[Waiting, ...]:
        return tuple(Waiting(self._group, reason, len(ages), max(ages)) for reason, ages in self._ages.items())
