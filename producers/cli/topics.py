"""`scribe topics`: the broker's topics against the table of schemas.topics."""

import sys
from collections.abc import Mapping

import typer

from producers.admin import TopicAdmin
from producers.exit_codes import MISTAKE
from producers.topic_plan import Existing, Grow, Plan, plan, retention_mistakes
from schemas.settings import KafkaAndObjects, load
from schemas.topics import TOPICS


def apply(partitions: int | None, replication_factor: int, alter: bool) -> None:
    """Does `scribe topics apply`."""
    admin, found = _look(partitions)
    if found.differences and not alter:
        _refuse(found, _again(partitions, replication_factor), "Nothing was changed.")
    changes = (*found.differences, *found.small) if alter else ()
    admin.create(found.create, replication_factor)
    admin.grow(change for change in changes if isinstance(change, Grow))
    admin.alter(found.alter)
    for topic in found.create:
        sys.stdout.write(f"created {topic.name} ({topic.partitions} partitions)\n")
    for change in changes:
        sys.stdout.write(f"changed {change}\n")
    if not alter:
        _remark(found)
    sys.stdout.write(f"{len(TOPICS)} topics are as they should be\n")


def check(partitions: int | None) -> None:
    """Does `scribe topics check`."""
    _, found = _look(partitions)
    if not found.is_done:
        _refuse(found, _again(partitions))
    _remark(found)
    sys.stdout.write(f"{len(TOPICS)} topics are as they should be\n")


def _look(partitions: int | None) -> tuple[TopicAdmin, Plan]:
    settings = load(KafkaAndObjects)
    admin = TopicAdmin(settings)
    existing = admin.existing(TOPICS)
    _check_retention(existing, settings.object_retention_days)
    return admin, plan(TOPICS.values(), existing, partitions)


def _check_retention(existing: Mapping[str, Existing], object_days: int | None) -> None:
    if found := retention_mistakes(TOPICS.values(), existing, object_days):
        sys.stderr.write("".join(f"{line}\n" for line in found))
        sys.stderr.write("Keep objects longer (SCRIBE_OBJECT_RETENTION_DAYS and the bucket's lifecycle rule).\n")
        raise typer.Exit(MISTAKE)


def _remark(found: Plan) -> None:
    """Fewer partitions are right for a small broker, and cost parallel work on a large one."""
    if found.small:
        sys.stderr.write("".join(f"remark {topic}\n" for topic in found.small))
        sys.stderr.write("To have them all: scribe topics apply --alter\n")


def _again(partitions: int | None, replication_factor: int = -1) -> str:
    """The options that were given, for the command that is advised."""
    given = f" --partitions {partitions}" if partitions else ""
    return f"{given} --replication-factor {replication_factor}" if replication_factor != -1 else given


def _refuse(found: Plan, options: str, *words: str) -> None:
    lines = [f"missing {topic.name}" for topic in found.create] + [f"differs {item}" for item in found.differences]
    lines += [*words, f"To put it right: scribe topics apply{options}{' --alter' if found.differences else ''}"]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    raise typer.Exit(MISTAKE)
