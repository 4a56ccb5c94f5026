"""Runs every check and test in sequence on one real stack, then lists what could not run here and why."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import ctranslate2
import psutil
from rich.console import Console
from rich.table import Table

from deploy import changed
from deploy.environment import ROOT, VENV
from deploy.local.errors import StackError
from deploy.local.process import exit_on_sigterm
from deploy.local.registry import is_at_hand
from deploy.local.stack import Stack
from deploy.real_models import fetched_meanwhile
from deploy.time_limit import INTERRUPT, OUT_OF_TIME, REPORT, OutOfTime, end_group, limit_run

RUN_SECONDS = 80 * 60  # of everything; CI gives up after 90 minutes, without a word of where it hung
HELP = """Usage: deploy/test [--changed] [PYTEST ARGUMENT]...

Makes the environment if need be, checks lint, format, types and import contracts, then runs all tests on real Kafka,
PostgreSQL, S3 and schema registry, started for the run and ended with it: most tests side by side, those that measure
one after the other. Arguments go to pytest, which then runs once: a folder, -k, -x ... Without any, two real models
are fetched meanwhile (214 MB, once); where they do not come, the tests that want them are skipped, which is said.
Tests that take longest (marked `long`) are left to `deploy/check long-tests`, unless arguments are given.

--changed  Within about a minute, and only for what differs from where this branch left main, uncommitted files too:
           lint, format, import contracts, no types, and the tests that import it, directly or through others, the
           nearest first. Tests that start the whole service run only when they differ themselves. What had no time
           is counted at the end. Imports tell nothing of processes that a test starts by their command line.

What hangs ends by itself: a test after its timeout (pyproject.toml), everything after 80 minutes, each with the
stacks of all threads and asyncio tasks."""
CHANGED = "--changed"
CHANGE_SECONDS = 30  # from the first test of a change on; checks, stack and imports take what is left of a minute
INTERRUPTED = 130
PYTEST = ("pytest", "--hypothesis-profile=repeatable")  # the random one is for `pytest` by itself
MOST_WORKERS = 4  # each has models and clients of its own
WORKERS_A_PROCESSOR = 2  # tests wait most of their time: for processes that start, for sessions and pauses that end
BYTES_A_WORKER = 3_000_000_000  # with the services that its tests start
# begun first, for they take longest: short ones fill up what is left at the end
FIRST = ("tests/system", "tests/integration", "tests/bench", "tests/chaos", "tests/deploy")
SHORT = ("-m", "not long")  # deploy/check runs the others
# they promise something within a time: beside others, they would judge those
ALONE = (
    "tests/bench/test_cli_start.py",
    "tests/bench/test_outage.py",
    "tests/bench/test_persist.py",
    "tests/chaos/test_chaos.py",
)
WIDTH = 120  # columns where there is no terminal, such as in a CI log
out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


@dataclass(frozen=True, slots=True)
class Gate:
    """A command that must succeed."""

    title: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of one gate; `seconds` of wall time."""

    title: str
    passed: bool
    seconds: float


QUICK_CHECKS = (
    Gate("Lint", ("ruff", "check")),
    Gate("Format", ("ruff", "format", "--check")),
    Gate("Import contracts", ("lint-imports", "--no-cache")),
)
CHECKS = (*QUICK_CHECKS, Gate("Types", ("mypy",)))
NAMESPACES = (("unshare", "--net", "--mount"), ("unshare", "--user", "--map-root-user", "--net", "--mount"))
# what the machine may lack: a name, the question, and what cannot be checked without it
PROBES: tuple[tuple[str, Callable[[], bool], str], ...] = (
    (
        "no GPU",
        lambda: ctranslate2.get_cuda_device_count() > 0,
        "the real models on CUDA; the same code ran on the CPU",
    ),
    (
        "no network namespaces",
        lambda: any(_succeeds(*enter, "ip", "link", "set", "lo", "up") for enter in NAMESPACES),
        "that no packet leaves for a forbidden address, with names that change their mind; on paper it was",
    ),
)


def _succeeds(*command: str) -> bool:
    return bool(shutil.which(command[0])) and subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(gate: Gate, environment: Mapping[str, str]) -> GateResult:
    """Run one gate with its output on the terminal, under a heading."""
    out.rule(f"[bold]{gate.title}[/]  {' '.join(gate.command)}", align="left")
    program = VENV / "bin" / gate.command[0]
    started = time.monotonic()
    command = [str(program), *gate.command[1:]]
    # in a group of its own, so that it gets one SIGINT from us and not a second one from the terminal
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, process_group=0)
    try:
        code = child.wait()
    except OutOfTime:
        out.print(f"[bold red]Out of time[/] after {time.monotonic() - started:.0f} s: {gate.title} is ended")
        end_group(child, REPORT)
        raise
    except BaseException:  # Ctrl-C above all: the gate must end, and clean up, while its stack is still there
        end_group(child, INTERRUPT)
        raise
    return GateResult(gate.title, code == 0, time.monotonic() - started)


@contextmanager
def started_stack(folder: Path) -> Iterator[Stack]:
    """The stack that all tests share; without the schema registry when that cannot be fetched."""
    out.rule("[bold]Stack[/]  Kafka, PostgreSQL, S3, schema registry", align="left")
    began = time.monotonic()
    stack = Stack(folder, registry=is_at_hand(out), durable=False, say=out)
    stack.start()
    out.print(f"up after {time.monotonic() - began:.1f} s")
    try:
        yield stack
    finally:
        stack.stop()


def skip_reasons(report: Path) -> Counter[str]:
    """The number of tests skipped for each reason, from pytest's report."""
    if not report.exists():
        return Counter()
    skipped = ElementTree.parse(report).iter("skipped")  # noqa: S314 - pytest wrote it a moment ago
    return Counter(element.get("message", "no reason given") for element in skipped)


def tests(folder: Path, calls: Sequence[Gate], missing: Counter[str]) -> list[GateResult]:
    """The results of all calls of pytest on one stack."""
    with started_stack(folder / "stack") as stack:
        results = []
        for number, gate in enumerate(calls):
            report = folder / f"report-{number}.xml"
            command = (*gate.command, f"--junitxml={report}", "-o", "junit_family=xunit2")
            results.append(run(Gate(gate.title, command), {"SCRIBE_TEST_STACK": str(stack.folder)}))
            missing.update(skip_reasons(report))
    return results


def calls_of_pytest(arguments: Sequence[str], workers: int) -> tuple[Gate, ...]:
    """The calls of pytest: one when arguments are given, else one for parallel tests and one for the others."""
    if arguments:
        return (Gate("Tests", (*PYTEST, *arguments)),)
    ignored = (f"--ignore={path}" for path in ALONE)
    together = (*PYTEST, *SHORT, *side_by_side(workers), *in_order(), *ignored)
    return Gate("Tests", together), Gate("Tests alone", (*PYTEST, *SHORT, *ALONE))


def calls_for_a_change(arguments: Sequence[str], workers: int) -> tuple[Gate, ...]:
    """The call of pytest for the tests of a change; none when there are no such tests."""
    paths = changed.paths_of_tests(changed.changed_files())
    if not paths:
        return ()
    call = (
        *PYTEST,
        *side_by_side(min(workers, len(paths))),
        "-o",
        f"begin_within={CHANGE_SECONDS}",
        *paths,
        *arguments,
    )
    return (Gate("Tests", call),)


def workers_of(processors: int, memory: int) -> int:
    """The number of test workers that a machine can run; `memory` in bytes."""
    return max(1, min(MOST_WORKERS, WORKERS_A_PROCESSOR * processors, memory // BYTES_A_WORKER))


def side_by_side(workers: int) -> tuple[str, ...]:
    """Arguments of pytest for parallel tests: each file's tests on one worker, files in the order of the arguments."""
    return "-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"


def in_order() -> list[str]:
    """Everything in tests/, the files that take longest first."""
    found = (path for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists() or path.match("test_*.py"))
    rest = {str(path.relative_to(ROOT)) for path in found} - set(FIRST)
    return [*FIRST, *sorted(rest)]


def summary(results: Sequence[GateResult], missing: Mapping[str, int]) -> None:
    """Print the tests that could not run here, then how each gate ended."""
    table = Table(
        "what this machine lacks or skips", "what was not checked", title="Not run here", title_justify="left"
    )
    for name, available, unchecked in PROBES:
        if not available():
            table.add_row(name, unchecked)
    for reason, count in sorted(missing.items()):
        table.add_row(reason, f"{count} test{'s' if count > 1 else ''}")
    out.rule(align="left")
    out.print(table if table.row_count else "Everything could run here.")
    for result in results:
        mark = "[green]passed[/]" if result.passed else "[bold red]FAILED[/]"
        out.print(f"{mark}  {result.title:<18} {result.seconds:6.1f} s")


def everything(arguments: Sequence[str], folder: Path, missing: Counter[str]) -> Iterator[GateResult]:
    """Results of all checks and tests, yielded as they end."""
    workers = workers_of(os.cpu_count() or 1, psutil.virtual_memory().total)
    if arguments:  # a part of the tests must not fetch 214 MB first
        yield from (run(gate, {}) for gate in CHECKS)
    else:
        with fetched_meanwhile() as problem:
            yield from (run(gate, {}) for gate in CHECKS)
            if reason := problem():
                out.print(f"[bold yellow]The real models are not here[/], tests that want them are skipped: {reason}")
    yield from tests(folder, calls_of_pytest(arguments, workers), missing)


def of_a_change(arguments: Sequence[str], folder: Path, missing: Counter[str]) -> Iterator[GateResult]:
    """Results of the checks and tests that belong to a change."""
    yield from (run(gate, {}) for gate in QUICK_CHECKS)
    processors = min(MOST_WORKERS, os.cpu_count() or 1)  # a worker more would import everything once more
    if calls := calls_for_a_change([word for word in arguments if word != CHANGED], processors):
        yield from tests(folder, calls, missing)
    else:
        out.print("No test belongs to what differs from main.")


def main(arguments: Sequence[str]) -> int:
    """Run the requested gates; returns 0 when all passed."""
    if {"-h", "--help"} & set(arguments):
        out.print(HELP, markup=False)
        return 0
    exit_on_sigterm()
    # behind `&` in a script it is ignored, here and in all that is started here and ended by it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    limit_run(RUN_SECONDS)
    missing: Counter[str] = Counter()
    results: list[GateResult] = []
    try:
        with tempfile.TemporaryDirectory(prefix="scribe-test-") as folder:
            results.extend((of_a_change if CHANGED in arguments else everything)(arguments, Path(folder), missing))
    except KeyboardInterrupt:
        return INTERRUPTED
    except OutOfTime:
        out.print(
            f"[bold red]FAILED[/]  everything took over {RUN_SECONDS / 60:.0f} minutes; above it says where it stood"
        )
        return OUT_OF_TIME
    except StackError as error:
        out.print(f"[bold red]{type(error).__name__}[/]", end=": ")
        out.print(str(error), markup=False)
        results.append(GateResult("Stack", passed=False, seconds=0))
    summary(results, missing)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
