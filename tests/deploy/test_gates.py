"""The gate runner: what counts as failed, and how reasons of skipped tests are collected."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy import changed
from deploy.environment import ROOT
from deploy.gates import (
    ALONE,
    CHANGE_SECONDS,
    FIRST,
    PYTEST,
    SHORT,
    Gate,
    calls_for_a_change,
    calls_of_pytest,
    in_order,
    run,
    skip_reasons,
    workers_of,
)
from deploy.time_limit import OUT_OF_TIME

REPORT = """<testsuites><testsuite>
<testcase name="a"><skipped message="no GPU"/></testcase>
<testcase name="b"><skipped message="no GPU"/></testcase>
<testcase name="c"/>
</testsuite></testsuites>"""


def test_reasons_of_skipped_tests_are_counted(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert skip_reasons(tmp_path / "report.xml") == {"no GPU": 2}


def test_no_report_has_no_reasons(tmp_path: Path) -> None:
    assert skip_reasons(tmp_path / "report.xml") == {}


def test_a_gate_passes_by_its_exit_status() -> None:
    assert run(Gate("Good", ("python", "-c", "raise SystemExit(0)")), {}).passed
    assert not run(Gate("Bad", ("python", "-c", "raise SystemExit(3)")), {}).passed


def test_a_gate_that_outlives_the_whole_runs_limit_is_ended_with_its_children(tmp_path: Path) -> None:
    """A process that has the limit, in which a gate starts a child and then sleeps, both deaf to SIGINT."""
    gate = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        " signal.signal(signal.SIGUSR1, lambda *_: open(sys.argv[1] + '/asked', 'w').close());"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        " open(sys.argv[1] + '/child', 'w').write(str(child.pid)); time.sleep(600)"
    )
    code = f"""
import signal
import pathlib
from deploy import gates
gates.REPORT = ((signal.SIGUSR1, 1), (signal.SIGINT, 1), (signal.SIGKILL, 10))
gates.limit_run(5)
try:
    gates.run(gates.Gate("Stuck", ("python", "-c", {gate!r}, {str(tmp_path)!r})), {{}})
except gates.OutOfTime:
    pathlib.Path({str(tmp_path)!r}, "out-of-time").touch()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
    assert (tmp_path / "asked").exists()
    assert (tmp_path / "out-of-time").exists()
    child = int((tmp_path / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_run_that_cannot_even_be_ended_gives_up() -> None:
    """What is left to do when the time is over gets a limit of its own."""
    code = """
import subprocess, sys, time
from deploy.time_limit import OutOfTime, limit_run
limit_run(1, 1)
try:
    time.sleep(600)
except OutOfTime:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120, capture_output=True, text=True)
    assert done.returncode == OUT_OF_TIME
    assert "most recent call first" in done.stderr


def test_a_gate_gets_its_environment() -> None:
    code = "import os; raise SystemExit(os.environ['SCRIBE_TEST_STACK'] != '/stack')"
    assert run(Gate("Tests", ("python", "-c", code)), {"SCRIBE_TEST_STACK": "/stack"}).passed


def test_every_test_is_run_once_and_what_measures_is_alone() -> None:
    together, alone = calls_of_pytest((), workers=2)
    assert [word for word in together.command if word.startswith("--ignore=")] == [f"--ignore={f}" for f in ALONE]
    assert alone.command == (*PYTEST, *SHORT, *ALONE)
    assert together.command[: len(PYTEST) + len(SHORT)] == (*PYTEST, *SHORT)
    assert all((ROOT / path).exists() for path in (*ALONE, *FIRST))


@pytest.mark.parametrize(
    ("processors", "gigabytes", "workers"), [(2, 16, 4), (2, 8, 2), (1, 16, 2), (64, 256, 4), (1, 1, 1)]
)
def test_workers_are_as_many_as_processors_and_memory_feed(processors: int, gigabytes: int, workers: int) -> None:
    assert workers_of(processors, gigabytes * 10**9) == workers


def test_nothing_in_the_tree_of_tests_is_left_out_and_what_takes_longest_begins() -> None:
    named = in_order()
    assert named[: len(FIRST)] == list(FIRST)
    assert len(set(named)) == len(named)
    files = (ROOT / "tests").rglob("test_*.py")
    assert [file for file in files if not any(file.is_relative_to(ROOT / path) for path in named)] == []


def test_arguments_are_pytests_own() -> None:
    assert [gate.command for gate in calls_of_pytest(("-x", "tests/sink"), workers=2)] == [
        (*PYTEST, "-x", "tests/sink")
    ]


def test_a_change_runs_its_own_tests_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "changed_files", lambda: ["deploy/locks.py"])
    (call,) = calls_for_a_change(("-x",), workers=2)
    assert call.command[-1] == "-x"
    assert "tests/deploy/test_locks.py" in call.command
    assert not [word for word in call.command if word.startswith("tests/sink")]
    assert f"begin_within={CHANGE_SECONDS}" in call.command


def test_nothing_is_run_for_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "changed_files", list)
    assert calls_for_a_change((), workers=2) == ()
