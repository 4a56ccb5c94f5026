"""What it costs to start a command that does nothing yet, or asks the service, in seconds of CPU: `python -m tests.bench.cli_start`.

CPU time of the child process, user and system; not the wall clock, which on a busy machine tells of others. One that
takes too long is started again, for the caches of a second start are those that count.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

MOST_SECONDS = 0.4
ENTRIES = {
    "scribe": "from producers.__main__ import main",
    "scribe-api": "from producers.commands import api as main",
    "scribe-relay": "from producers.commands import relay as main",
    "scribe-gpu": "from gpu_consumers.command import main",
    "scribe-streams": "from streams.command import main",
}
"""How the console scripts of pyproject.toml begin."""
LINES = (
    "scribe --help",
    "scribe --version",
    "scribe submit --help",
    "scribe webhooks deliveries --help",
    "scribe nosuch",
    *(f"{name} {option}" for name in list(ENTRIES)[1:] for option in ("--help", "--version")),
    "scribe-streams retention --help",
)
CALLS = ("scribe jobs", "scribe status 0b7e1d0a")
"""They ask the service, and here hear at once that nobody answers."""
NOBODY = {"SCRIBE_API_URL": "http://127.0.0.1:9", "SCRIBE_API_KEY": "k"}
COMPLETIONS = ("scribe su", "scribe submit --", "scribe submit --via ", "scribe dlq redrive --group ")


def command(line: str) -> list[str]:
    """A line as its console script runs it."""
    name, *arguments = line.split()
    return [sys.executable, "-c", f"{ENTRIES[name]}; main()", *arguments]


def completing(line: str) -> Mapping[str, str]:
    """What bash sets to have a line completed at its end."""
    words = line.split(" ")
    return {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_SCRIBE_COMPLETE": "complete_bash"}


def cpu_seconds(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """CPU time of a process from its start to its end."""
    process = subprocess.Popen(
        arguments, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0  # it was waited for, above
    return used.ru_utime + used.ru_stime


def measured(rounds: int) -> dict[str, float]:
    """The least CPU time of each line; one that is below the limit at once is not started again."""
    asked: dict[str, tuple[list[str], Mapping[str, str]]] = {line: (command(line), {}) for line in LINES}
    asked |= {line: (command(line), NOBODY) for line in CALLS}
    asked |= {f"{line}<TAB>": (command("scribe"), completing(line)) for line in COMPLETIONS}
    return {line: least(call, rounds) for line, call in asked.items()}


def least(call: tuple[list[str], Mapping[str, str]], rounds: int) -> float:
    """The least CPU time of a call, once it is below the limit."""
    found = cpu_seconds(*call)
    return found if found < MOST_SECONDS or rounds == 1 else min(found, least(call, rounds - 1))


def main(rounds: Annotated[int, typer.Option(min=1, help="How often each is started.")] = 5) -> None:
    """Measure each line; exit code 1 when one takes too long."""
    found = measured(rounds)
    table = Table("LINE", "CPU SECONDS", box=None)
    for line, seconds in found.items():
        table.add_row(line, f"{seconds:.3f}")
    Console().print(table)
    raise typer.Exit(int(max(found.values()) >= MOST_SECONDS))


if __name__ == "__main__":
    typer.run(main)
