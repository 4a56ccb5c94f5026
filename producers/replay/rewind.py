"""Offsets of Faust apps moved back to a time: what came since is read again, after a database was restored from a backup.

Reading a record again is safe: what a row says already is not applied twice, and ids of events and of webhooks follow from
the job, so that what is missing is made as it was before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.topic_history import TopicHistory
from schemas.errors import Rejected
from schemas.topics import ENHANCE, PERSIST, READS, WEBHOOKS

APPS = (PERSIST, ENHANCE, WEBHOOKS)
"""Groups whose state is in the database; that of the GPU groups is in Kafka, and no backup takes it back."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """A partition of a group that is read again from `offset` on; it had been read up to `committed`."""

    group: str
    topic: str
    partition: int
    committed: int
    offset: int


def check_stopped(offsets: GroupOffsets, group: str) -> None:
    """Raise Rejected while a process of the group runs, because the broker would not take its offsets back."""
    if members := offsets.members():
        processes = "1 process" if members == 1 else f"{members} processes"
        raise Rejected("invalid_request", f"{group} has {processes}; stop all of them first")


def rewinds(offsets: GroupOffsets, history: TopicHistory, group: str, since: datetime) -> Iterator[Rewound]:
    """The partitions of a group that have records since a time, which the group has read; offsets only go back."""
    ranges = history.ranges(READS[group], since)
    for (topic, partition), (committed, _) in sorted(offsets.committed(list(ranges)).items()):
        first, _ = ranges[topic, partition]
        if first < committed:
            yield Rewound(group, topic, partition, committed, first)


def rewind(offsets: GroupOffsets, found: Rewound) -> None:
    """Let the group begin there when its processes start."""
    offsets.commit(found.topic, found.partition, found.offset, "")
