"""Output that cannot be written, or not as it is: each command ends with one line and exit code 1, never with a traceback."""

import json
import os
import subprocess

import pytest

from tests.bench.cli_start import ENTRIES, command

FULL, CLOSED = "> /dev/full", ">&-"
LINES = [f"{name} --version" for name in ENTRIES] + ["scribe models --local", "scribe models --local --json"]


def shell(line: str, redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line with its output redirected as a shell does it."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", *command(line)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("line", LINES)
def test_a_full_disk_is_told_of(line: str) -> None:
    done = shell(line, FULL)
    assert (done.returncode, done.stderr) == (1, "standard output cannot be written: No space left on device\n")


def test_output_is_told_of_where_nothing_is_buffered() -> None:
    done = shell("scribe models --local", FULL, PYTHONUNBUFFERED="1")
    assert (done.returncode, done.stderr) == (1, "standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize("line", ["scribe --version", "scribe models --local --json", "scribe-streams --version"])
def test_closed_output_is_told_of(line: str) -> None:
    done = shell(line, CLOSED)
    assert (done.returncode, done.stderr) == (1, "standard output cannot be written: Bad file descriptor\n")


def test_a_mistake_is_a_mistake_where_nothing_can_be_printed() -> None:
    """Nor does it matter for what prints nothing."""
    done = shell("scribe nosuch", CLOSED)
    assert (done.returncode, "No such command" in done.stderr) == (2, True)
    assert shell("scribe nosuch", "2>&-").returncode == 2


def test_a_reader_that_went_away_is_no_trouble() -> None:
    done = shell("scribe models --local", "| true")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_encoding_that_lacks_characters_costs_only_these() -> None:
    """And JSON nothing, which can say them otherwise."""
    shown = shell("scribe models --local", "", PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Hebrew, fast ? default" in shown.stdout
    whole, escaped = (
        shell("scribe models --local --json", "", PYTHONIOENCODING=encoding).stdout for encoding in ("utf-8", "ascii")
    )
    assert escaped.isascii()
    assert [json.loads(line) for line in whole.splitlines()] == [json.loads(line) for line in escaped.splitlines()]
