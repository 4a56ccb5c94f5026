"""The gate runner: what counts as failed, and how reasons of skipped tests are collected."""

from pathlib import Path

from deploy.environment import ROOT
from deploy.gates import ALONE, PYTEST, Gate, calls_of_pytest, run, skip_reasons

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


def test_a_gate_gets_its_environment() -> None:
    code = "import os; raise SystemExit(os.environ['SCRIBE_TEST_STACK'] != '/stack')"
    assert run(Gate("Tests", ("python", "-c", code)), {"SCRIBE_TEST_STACK": "/stack"}).passed


def test_every_test_is_run_once_and_what_measures_is_alone() -> None:
    together, alone = calls_of_pytest((), processors=2)
    assert [word for word in together.command if word.startswith("--ignore=")] == [f"--ignore={f}" for f in ALONE]
    assert alone.command == (*PYTEST, *ALONE)
    assert all((ROOT / folder).is_dir() for folder in ALONE)


def test_arguments_are_pytests_own() -> None:
    assert [gate.command for gate in calls_of_pytest(("-x", "tests/sink"), processors=2)] == [
        (*PYTEST, "-x", "tests/sink")
    ]
