"""The watch over tests that hang: it says where they stand, and ends what goes on after its failure."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.environment import ROOT
from tests.hanging import EXIT_CODE

BEGINNING = """
import asyncio
import time


async def swallow_cancellations():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass


async def wait_for_it():
    await asyncio.create_task(swallow_cancellations(), name="stubborn")
"""
HANGS = {
    "a task that swallows its cancellation": (
        "def test_hangs():\n    asyncio.run(wait_for_it())\n",
        ["in swallow_cancellations", "name='stubborn'"],
    ),
    "a fixture after the failure of its test": (
        (
            "import pytest\n\n@pytest.fixture\ndef part():\n    yield\n    time.sleep(600)\n\n"
            "def test_hangs(part):\n    assert False\n"
        ),
        ["in part"],
    ),
}


OUTSIDE = {
    "a thread that the interpreter waits for": (
        "def test_passes():\n    ThreadPoolExecutor(1).submit(threading.Event().wait)\n",
        "in wait",
    ),
    "an import": ("time.sleep(600)\n", "test_hang.py"),
}


def run_pytest(file: Path, *options: str, seconds: int = 1) -> "subprocess.CompletedProcess[str]":
    """Run pytest on one file with so many seconds a test, and as much until its process ends."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.hanging", "-p", "no:cacheprovider", *options]
    limits = [
        f"--timeout={seconds}",
        "-o",
        f"hang_grace_seconds={seconds}",
        f"--rootdir={file.parent}",
        "-c",
        "/dev/null",
    ]
    return subprocess.run([*command, *limits, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("code", "places"), HANGS.values(), ids=HANGS)
def test_what_hangs_is_ended_and_named(tmp_path: Path, code: str, places: list[str]) -> None:
    file = tmp_path / "test_hang.py"
    file.write_text(BEGINNING + code)
    done = run_pytest(file)
    assert done.returncode == EXIT_CODE
    assert "test_hang.py::test_hangs goes on" in done.stderr
    assert all(place in done.stderr for place in places), done.stderr


@pytest.mark.parametrize(("code", "place"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_hangs_outside_of_tests_is_ended_and_named(tmp_path: Path, code: str, place: str) -> None:
    file = tmp_path / "test_hang.py"
    imports = "import threading\nimport time\nfrom concurrent.futures import ThreadPoolExecutor\n\n"
    file.write_text(imports + code)
    done = run_pytest(file, seconds=4)
    assert done.returncode == 1
    assert place in done.stderr, done.stderr


def test_beside_a_test_that_hangs_the_others_are_judged(tmp_path: Path) -> None:
    """Side by side a process that is ended fails its test only."""
    file = tmp_path / "test_hang.py"
    code, _ = HANGS["a task that swallows its cancellation"]
    file.write_text(f"{BEGINNING}{code}\n\ndef test_goes_on():\n    pass\n")
    done = run_pytest(file, "-n", "1", seconds=4)
    assert "1 failed, 1 passed" in done.stdout


def test_tests_in_time_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "test_quick.py"
    file.write_text("def test_quick():\n    pass\n")
    done = run_pytest(file, seconds=60)
    assert (done.returncode, done.stderr) == (0, "")
