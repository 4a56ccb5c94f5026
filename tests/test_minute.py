"""A run with an end: the first test is always made; what has not begun by then is skipped, fixtures and all."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.environment import ROOT

SOURCE = """
import pytest

@pytest.fixture
def dear():
    raise AssertionError("made for nothing")

def test_first():
    pass

def test_late(dear):
    pass

def test_late_too():
    pass
"""


@pytest.mark.parametrize(
    ("seconds", "ends"), [("0", "1 passed, 2 skipped"), ("600", "2 passed, 1 error"), ("", "2 passed, 1 error")]
)
def test_nothing_begins_after_the_end(tmp_path: Path, seconds: str, ends: str) -> None:
    (tmp_path / "test_late.py").write_text(SOURCE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.minute", "-o", f"begin_within={seconds}"]
    done = subprocess.run([*command, "-c", "/dev/null", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert f" {ends} in " in done.stdout
