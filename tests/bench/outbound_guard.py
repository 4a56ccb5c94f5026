"""Every trick that an address can play, at every door of the outbound guard, in a network where whoever is called is seen.

python -m tests.bench.outbound_guard --tries 1000
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from schemas.errors import SourceFailed
from tests.bench.guard_rig import CALLED, CONTROLS, REFUSED, Report
from tests.bench.namespace import entering

MISSING = (
    "no network namespaces (or no `ip`): the outbound guard's canaries, counted packets and rebinding name service"
)
HARMLESS = {REFUSED, CALLED, "accepted", "unreachable", SourceFailed.__name__, "broken", "protocol"}


def measured(folder: Path, tries: int) -> Report | None:
    """The report of a run in a network of its own, None where there can be none."""
    if (enter := entering()) is None:
        return None
    command = [*enter, sys.executable, "-m", "tests.bench.guard_rig", str(folder), str(tries)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the run inside failed: {done.stderr[-3000:]}")
    return Report(**json.loads(done.stdout))


def broken(report: Report) -> list[str]:
    """The promises that did not hold, and what shows that the instruments did not work."""
    reached, all_ = sum(report.reached.values()), sum(report.tricks.values())
    outcomes = {outcome for stages in report.outcomes.values() for found in stages.values() for outcome in found}
    doors = {stage: set(found) for stage, found in report.rebinding.items()}
    promises = {
        "no canary was called": report.canary_connections == report.canary_bytes == 0,
        "no packet went astray": not report.stray,
        "every connection that was opened was taken by a server that may be called": report.opened == report.accepted,
        "every packet was seen": report.packets_missed == 0 and report.packets > 0,
        "most tricks fool a client without a guard": reached > all_ / 2,
        "names that change their mind fool a client that checks and then calls": report.control_rebound > 0,
        "names that change their mind were called and refused": all(
            {REFUSED, CALLED} <= found for stage, found in doors.items() if not stage.startswith("create")
        ),
        f"every outcome is one of {', '.join(sorted(HARMLESS))}": outcomes <= HARMLESS,
    }
    return [promise for promise, held in promises.items() if not held]


def _cell(found: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(found.items(), key=lambda item: -item[1]))


def shown(report: Report) -> Table:
    """Tricks by kind, and what became of them at each door."""
    stages = next(iter(report.outcomes.values()))
    table = Table("trick", "tried", "a naive client calls", *stages, title="Outbound guard", title_justify="left")
    for kind, count in report.tricks.items():
        cells = [_cell(report.outcomes[kind][stage]) for stage in stages]
        table.add_row(kind, str(count), str(report.reached.get(kind, 0)), *cells)
    table.add_section()
    table.add_row("all", str(sum(report.tricks.values())), str(sum(report.reached.values())), *[""] * len(stages))
    return table


def tell(report: Report, say: Console) -> None:
    """Print everything."""
    say.print(shown(report))
    for stage, found in report.rebinding.items():
        say.print(f"rebinding, {stage}: {_cell(found)}")
    say.print(
        f"canaries on every address: {report.canary_connections} connections, {report.canary_bytes} bytes"
        f" ({report.control_connections} connections of the naive client)"
    )
    say.print(f"a client that checks a name and then calls it was fooled {report.control_rebound} of {CONTROLS} times")
    say.print(
        f"packets: {report.packets:,} seen, {report.packets_missed} missed, {sum(report.stray.values())} that begin"
        f" to talk to anybody but the public server, the proxy and the name service"
    )
    say.print(f"connections: {report.opened:,} opened by the kernel, {report.accepted:,} taken by those servers")


def main(tries: Annotated[int, typer.Option(help="Names that change their mind.")] = 1000) -> None:
    """Try everything; exit code 1 when a promise was broken, 2 where there are no network namespaces."""
    say = Console(width=None if sys.stdout.isatty() else 200)
    with tempfile.TemporaryDirectory(prefix="scribe-guard-") as folder:
        report = measured(Path(folder), tries)
    if report is None:
        say.print(f"not checked, {MISSING}")
        sys.exit(2)
    tell(report, say)
    failures = broken(report)
    for promise in failures:
        say.print(f"[bold red]broken[/] {promise}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    typer.run(main)
