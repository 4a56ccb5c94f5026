"""Offsets of Faust apps moved back to a time: what came since is read again, after a database was restored from a backup.

Reading a record again is safe: what a row says already is not applied twice, and ids of events and of webhooks follow from
the job, so that what is missing is made as it was before.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.topic_history import TopicHistory
from schemas.errors import Rejected
from schemas.topics import ENHANCE, PERSIST, WEBHOOKS

LEAVING_SECONDS = 75.0  # longer than a session of a Faust app
LOOK_SECONDS = 0.5
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


def wait_for_end(offsets: GroupOffsets, group: str, say: Callable[[str], object]) -> None:
    """Wait until no process of the group is left; raises Rejected after LEAVING_SECONDS, and says first what it waits for.

    The broker takes no offsets back before. It counts a process that was killed for as long as its session lasts.
    """
    deadline = time.monotonic() + LEAVING_SECONDS
    said = False
    while members := offsets.described():
        names = ", ".join(sorted(f"{member.client_id} at {member.host}" for member in members))
        if time.monotonic() > deadline:
            raise Rejected("invalid_request", f"{group} is still running: {names}; stop it first")
        if not said:
            say(f"waiting for the end of {group}: {names}")
            said = True
        time.sleep(LOOK_SECONDS)


def rewinds(
    offsets: GroupOffsets, history: TopicHistory, group: str, topics: Sequence[str], since: datetime
) -> Iterator[Rewound]:
    """The partitions of topics that have records since a time which the group has read; offsets only go back."""
    ranges = history.ranges(topics, since)
    for (topic, partition), (committed, _) in sorted(offsets.committed(list(ranges)).items()):
        first, _ = ranges[topic, partition]
        if first < committed:
            yield Rewound(group, topic, partition, committed, first)


def rewind(offsets: GroupOffsets, found: Rewound) -> None:
    """Let the group begin there when its processes start."""
    offsets.commit(found.topic, found.partition, found.offset, "")
