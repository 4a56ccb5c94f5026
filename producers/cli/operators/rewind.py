"""`scribe database rewind`: lets the Faust apps read again what came in since a backup of the database."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.topic_history import TopicHistory
from producers.replay.rewind import APPS, Rewound, rewinds, wait_for_end
from producers.replay.rewind import rewind as move
from schemas.errors import Rejected
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.topics import READS


def rewind(to: datetime, dry_run: bool) -> None:
    """Implements `scribe database rewind`; no group is moved while a process of any of them runs."""
    if to > datetime.now(UTC):
        raise Rejected("invalid_request", f"{to:%Y-%m-%d %H:%M} UTC is not over yet")
    settings = load(KafkaSettings)
    with ExitStack() as cleanup:
        history = cleanup.enter_context(TopicHistory.open(settings))
        groups = {group: cleanup.enter_context(GroupOffsets.open(settings, group)) for group in APPS}
        if not dry_run:
            for group, offsets in groups.items():
                wait_for_end(offsets, group, lambda text: sys.stderr.write(f"{text}\n"))
        found = {group: list(rewinds(offsets, history, group, READS[group], to)) for group, offsets in groups.items()}
        if not dry_run:
            for group, offsets in groups.items():
                for each in found[group]:
                    move(offsets, each)
    sys.stdout.writelines(_lines(found, dry_run=dry_run))


def _lines(found: dict[str, list[Rewound]], *, dry_run: bool) -> Iterator[str]:
    """The records that each group reads again, a line each."""
    for group, places in found.items():
        records = sum(each.committed - each.offset for each in places)
        verb = "would read" if dry_run else "reads"
        yield f"{group} {verb} {records} offsets of {len(places)} partitions again\n"
