"""Real models beside the checks: there, or a reason, within a time, and nothing that goes on afterwards."""

import sys
from pathlib import Path

import psutil
import pytest

from deploy.real_models import COMMAND, fetched_meanwhile


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('/models/m')", ""),
        (
            "import sys; sys.exit('m (MIT): 5 MB to fetch\\na.whl: the index does not answer')",
            "a.whl: the index does not answer",
        ),
        ("raise SystemExit(1)", "no reason was given"),
    ],
)
def test_models_are_there_or_it_is_said_why(code: str, reason: str) -> None:
    with fetched_meanwhile((sys.executable, "-c", code), 60) as problem:
        assert problem() == reason


def test_a_network_that_is_stuck_holds_nobody_up(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = f"import os, pathlib, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(600)"
    with fetched_meanwhile((sys.executable, "-c", code), 1.0) as problem:
        assert "did not come within 1 s" in problem()
        while not started.exists() or not started.read_text():
            assert "did not come" in problem()
    assert not psutil.pid_exists(int(started.read_text()))


def test_what_is_fetched_is_what_the_tests_want() -> None:
    """By the command of an operator, which checks every file."""
    assert COMMAND[1:] == ("-m", "gpu_consumers", "models", "fetch", "whisper-base", "pyannote-campplus")
