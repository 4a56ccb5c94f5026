"""`scribe dlq skip`: lets a group skip a record that blocks it."""

import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from producers.cli.operators.keys import with_database
from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.publisher import Publisher
from producers.kafka.topic_history import TopicHistory
from producers.replay.skip import (
    GPU_GROUPS,
    SkipOrder,
    check_position,
    check_stopped,
    found,
    moved,
    order_of,
    pass_over,
)
from schemas.errors import Rejected
from schemas.settings.loading import load
from schemas.settings.processes import ReplayProcess
from sink.postgres.database import Connection, Database
from sink.records import skips
from sink.records.serdes import serde_for
from sink.records.skips import Skip


def skip(group: str, place: str, dry_run: bool) -> None:
    """Implements `scribe dlq skip`."""
    settings = load(ReplayProcess)
    order = order_of(group, place, f"operator {getpass.getuser()}")
    with GroupOffsets.open(settings, order.group) as offsets, TopicHistory.open(settings) as history:
        _check_partition(history, order)
        check_position(order, offsets.position(order.place.topic, order.place.partition))
        if order.group not in GPU_GROUPS:
            sys.stdout.write(with_database(lambda database: _ordered(database, order, dry_run=dry_run)))
            return
        check_stopped(offsets, order)
        if dry_run:
            moved(order, offsets.position(order.place.topic, order.place.partition))
            found(history, order)
            sys.stdout.write(f"{order.group} would begin behind it, and its job would end as failed\n")
            return
        with Publisher(settings, "scribe-cli") as publisher:
            _audited(
                order, lambda: pass_over(offsets, history, publisher, serde_for(settings), order, datetime.now(UTC))
            )
    sys.stdout.write(f"{order.group} has passed over {place}\n")


def _check_partition(history: TopicHistory, order: SkipOrder) -> None:
    count = history.partitions(order.place.topic)
    if order.place.partition >= count:
        raise Rejected("invalid_request", f"{order.place.topic} has {count} partitions, from 0 on")


async def _ordered(database: Database, order: SkipOrder, *, dry_run: bool) -> str:
    """Give the order to a Faust app, and return a message about it."""

    async def work(connection: Connection) -> Skip | None:
        before = await skips.find(connection, order.group, order.place)
        if not dry_run and (before is None or before.done_at is not None):
            await skips.order(connection, order.group, order.place, order.requested_by)
        return before

    before = await database.run(work)
    if before is not None and before.done_at is None:
        return f"{order.group} was told so by {before.by} at {before.at:%Y-%m-%d %H:%M} UTC\n"
    would = "would set" if dry_run else "sets"
    return f"{order.group} {would} it aside within seconds, or when it starts: see `scribe dlq list --code skipped`\n"


def _audited(order: SkipOrder, work: Callable[[], None]) -> None:
    """Record the order in the audit log before it is carried out, and its completion afterwards."""
    with_database(
        lambda database: database.run(
            lambda connection: skips.order(connection, order.group, order.place, order.requested_by)
        )
    )
    work()
    with_database(lambda database: database.run(lambda connection: skips.done(connection, order.group, order.place)))
