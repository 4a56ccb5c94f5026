"""`scribe topics`: compares the broker's topics with the table of schemas.topics, and creates or changes them."""

import sys
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import typer

from producers.kafka.admin import TopicAdmin
from producers.kafka.topic_plan import Existing, Grow, Plan, grouped, plan, retention_mistakes
from producers.messages.exit_codes import MISTAKE
from schemas.settings.loading import load
from schemas.settings.processes import KafkaAndObjects
from schemas.topics import TOPICS

_INDENTED: Any = {"width": 78, "initial_indent": "  ", "subsequent_indent": "  ", "break_on_hyphens": False}


def apply(partitions: int | None, replication_factor: int, alter: bool) -> None:
    """Implements `scribe topics apply`."""
    admin, found = _look(partitions)
    if found.differences and not alter:
        _print_differences(found)
        sys.stderr.write("Nothing was changed.\n")
        _advise(found, _options(partitions, replication_factor))
        raise typer.Exit(MISTAKE)
    changes = (*found.differences, *found.small) if alter else ()
    admin.create(found.create, replication_factor)
    admin.grow(change for change in changes if isinstance(change, Grow))
    admin.alter(found.alter)
    for topic in found.create:
        sys.stdout.write(f"created {topic.name} ({topic.partitions} partitions)\n")
    for change in changes:
        sys.stdout.write(f"changed {change}\n")
    _print_agreement(() if alter else found.small)


def check(partitions: int | None) -> None:
    """Implements `scribe topics check`."""
    _, found = _look(partitions)
    if not found.is_done:
        _print_differences(found)
        _advise(found, _options(partitions))
        raise typer.Exit(MISTAKE)
    _print_agreement(found.small)


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


def _print_differences(found: Plan) -> None:
    """Print missing topics and differences, each difference once, with its topics."""
    if found.create:
        _print_topics("missing", [topic.name for topic in found.create])
    for what, names in grouped(found.differences).items():
        _print_topics(what, names)


def _print_topics(what: str, names: Sequence[str]) -> None:
    sys.stderr.write(f"{what} ({_topics(len(names))})\n{fill(', '.join(names), **_INDENTED)}\n")


def _print_agreement(small: Sequence[Grow]) -> None:
    """Print that nothing is to be done; fewer partitions suit a small broker, but limit parallel work on others."""
    for what, names in grouped(small).items():
        _print_topics(what, names)
    if small:
        sys.stderr.write("That is right for a small broker; `scribe topics apply --alter` adds the partitions.\n")
        sys.stdout.write(
            f"{_topics(len(TOPICS))} have the settings that they need, {len(small)} fewer partitions than the table\n"
        )
    else:
        sys.stdout.write(f"{_topics(len(TOPICS))} are as they should be\n")


def _options(partitions: int | None, replication_factor: int = -1) -> str:
    """The given options, for the suggested command."""
    given = f" --partitions {partitions}" if partitions else ""
    return f"{given} --replication-factor {replication_factor}" if replication_factor != -1 else given


def _advise(found: Plan, options: str) -> None:
    """Print the command that corrects the differences, and its effect."""
    creates = [f"creates {_topics(len(found.create))}"] if found.create else []
    changed = len({change.name for change in found.differences})
    changes = [f"changes {_topics(changed)}"] if changed else []
    command = f"scribe topics apply{options}{' --alter' if changed else ''}"
    sys.stderr.write(f"To put it right: {command}\nIt {' and '.join(creates + changes)}.\n")


def _topics(number: int) -> str:
    return f"{number} topic{'' if number == 1 else 's'}"
