"""Output of the commands that resend records: dead letters as lines, counts, progress and results."""

import getpass
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from producers.cli.terminal.interruption import NOTHING_DONE, Count, telling
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_rows
from producers.kafka.publisher import Publisher
from producers.messages.exit_codes import TROUBLE
from producers.replay.dead_letters import DeadLetter, facts
from producers.replay.replayer import Report
from schemas.errors import Outage
from schemas.settings.kafka import KafkaSettings
from schemas.wire.headers import Origin
from sink.jobs.replay_log import ReplayAction, ReplayCommand, ReplayEntry, ReplayRejection


def print_letters(letters: Sequence[DeadLetter], handled: Mapping[Origin, ReplayEntry], more: int) -> None:
    """One line for each dead letter."""
    titles = ["ITEM", "AT (UTC)", "CODE", "TENANT", "JOB", "MESSAGE", *(["HANDLED"] if handled else [])]
    shown = make_table(*titles, whole=("ITEM", "AT (UTC)", "CODE", "JOB"))
    for letter in letters:
        entry = handled.get(letter.record.place)
        words = [
            letter.name,
            f"{letter.record.at:%Y-%m-%d %H:%M}",
            letter.code,
            letter.tenant,
            str(letter.job_id or ""),
        ]
        words += [letter.message, *([_handled(entry)] if handled else [])]
        add_row(shown, words)
    show_rows(shown, "no dead letters")
    if more:
        sys.stderr.write(f"and {more} older ones: see --limit\n")


def print_lines(letters: Sequence[DeadLetter], handled: Mapping[Origin, ReplayEntry]) -> None:
    """One JSON object for each dead letter."""
    print_json({**facts(letter), "handled": _handled(handled.get(letter.record.place)) or None} for letter in letters)


def print_counts(letters: Sequence[DeadLetter], refused: Mapping[Origin, ReplayRejection], as_json: bool) -> None:
    """The number of selected dead letters by group, code and tenant, and the reasons for refusals."""
    names = ("group", "code", "tenant", "refused")
    found: Counter[tuple[str, ...]] = Counter(
        (x.group, x.code, x.tenant, str(refused.get(x.record.place, ""))) for x in letters
    )
    print_table(names, found, as_json)


def print_table(names: Sequence[str], found: Mapping[tuple[str, ...], int], as_json: bool) -> None:
    """A table of counts by the given columns."""
    if as_json:
        print_json({**dict(zip(names, values, strict=True)), "count": count} for values, count in sorted(found.items()))
        return
    shown = make_table(*(name.upper() for name in names), "COUNT", whole=("CODE", "COUNT"))
    for values, count in sorted(found.items()):
        add_row(shown, [*values, count])
    show_rows(shown, "nothing is meant")


@contextmanager
def reading() -> Iterator[None]:
    """Show on a terminal that topics are read, which may take long."""
    console = Console(stderr=True)
    with telling(NOTHING_DONE), console.status("reading") if console.is_terminal else nullcontext():
        yield


@contextmanager
def sending(
    settings: KafkaSettings, done: str, total: int, go_on: str
) -> Iterator[tuple[Publisher, Callable[[int], object]]]:
    """Yields a publisher and a callback that counts records as `done`; an interruption tells how to continue."""
    count = Count(total)
    with (
        telling(lambda: f"interrupted: {count} {done}; {go_on}"),
        Publisher(settings, "scribe-cli") as publisher,
        progress(done, total) as advance,
    ):

        def more(number: int) -> None:
            count.add(number)
            advance(number)

        try:
            yield publisher, more
        except Outage as error:
            raise Outage(f"{error}; {count} {done}; {go_on}") from error


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yields a callback that counts finished records, shown as a bar on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def command_of(action: ReplayAction, *, replay_id: UUID | None = None, force: bool = False) -> ReplayCommand:
    """The replay command of the current operator."""
    return ReplayCommand(
        action=action, replay_id=replay_id or uuid4(), requested_by=f"operator {getpass.getuser()}", force=force
    )


def tell(command: ReplayCommand, names: Mapping[Origin, str], report: Report, done: str, as_json: bool) -> None:
    """Print the summary, with `names` of the records; exit code 1 when something was refused."""
    refused = {names[place]: str(reason) for place, reason in report.refused.items()}
    if as_json:
        reasons = [{"item": name, "reason": reason} for name, reason in sorted(refused.items())]
        print_json({"replay_id": str(command.replay_id), done: len(report.sent), "refused": reasons})
    else:
        sys.stdout.write(f"{len(report.sent)} {done}, {command.replay_id}\n")
        sys.stderr.write("".join(f"{name} refused: {reason}\n" for name, reason in sorted(refused.items())))
    if refused:
        raise typer.Exit(TROUBLE)


def _handled(entry: ReplayEntry | None) -> str:
    if entry is None:
        return ""
    end = "" if entry.done_at else ", not known to have ended"
    return f"{entry.action} {entry.at:%Y-%m-%d %H:%M} UTC by {entry.by}{end}"
