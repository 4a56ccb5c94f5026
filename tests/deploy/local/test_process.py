"""Child processes: found for certain, ended with their owner, killed when they do not listen."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local import process
from deploy.local.errors import StartFailed
from deploy.local.process import ProcessId

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-uc",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)",
)
# a parent that starts a child from a thread that ends at once, and says the child's pid
PARENT = """
import sys, threading, time
from pathlib import Path
from deploy.local import process
def start():
    print(process.start([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1])).pid, flush=True)
thread = threading.Thread(target=start); thread.start(); thread.join()
time.sleep(600)
"""


def test_a_child_ends_with_its_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.communicate()
    child.wait(90)


def test_a_detached_child_stays(tmp_path: Path) -> None:
    code = PARENT.replace("Path(sys.argv[1]))", "Path(sys.argv[1]), parent_end_signal=None)")
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    with pytest.raises(psutil.TimeoutExpired):
        child.wait(0.3)
    process.kill(ProcessId(child.pid, child.create_time()))


def test_a_kill_leaves_no_child_behind_that_has_a_session_of_its_own(tmp_path: Path) -> None:
    """As PostgreSQL's have; what it lets go of by its death must be free when the next one starts."""
    code = f"import subprocess, time; print(subprocess.Popen({SLEEP!r}, start_new_session=True).pid, flush=True); time.sleep(600)"
    log = tmp_path / "log"
    parent = process.start([sys.executable, "-c", code], log)
    process.wait_until(lambda: log.read_text().endswith("\n"), parent, "parent", log)
    child = psutil.Process(int(log.read_text()))
    identity = ProcessId(child.pid, child.create_time())
    assert identity.process() is not None
    process.kill(parent)
    assert identity.process() is None


def test_another_process_with_the_same_pid_is_left_alone() -> None:
    stranger = ProcessId(os.getpid(), psutil.Process().create_time() - 100)
    assert stranger.process() is None
    process.stop(stranger)
    process.kill(stranger)
    process.send(stranger, signal.SIGKILL)


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    identity = process.start(STUBBORN, log)
    process.wait_until(lambda: "ready" in log.read_text(), identity, "stubborn", log)
    process.stop(identity, seconds=0.2)
    assert identity.process() is None


def test_a_start_that_fails_shows_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    identity = process.start([sys.executable, "-c", "raise SystemExit('no such luck')"], log)
    with pytest.raises(StartFailed, match="no such luck"):
        process.wait_until(lambda: False, identity, "it", log)


def test_silence_is_a_failed_start(tmp_path: Path) -> None:
    identity = process.start(SLEEP, tmp_path / "log")
    with pytest.raises(StartFailed, match="not ready after"):
        process.wait_until(lambda: False, identity, "it", tmp_path / "log", seconds=0.1)
    process.kill(identity)
