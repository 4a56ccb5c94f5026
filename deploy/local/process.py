"""Child processes that are identified by pid and start time, can end with their parent, and log to a file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.errors import StartFailed

TETHER = Path(__file__).parent / "tether.py"
POLL_SECONDS = 0.05
# Linux ends a tethered child with the *thread* that started it, so one thread starts all and lives as long as we do
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="starter")
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}  # held until they are stopped, so that nothing reaps them before


@dataclass(frozen=True, slots=True)
class ProcessId:
    """Unambiguous identity of a process: pid and start time (seconds of the epoch), since pids are reused."""

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The living process, None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


def exit_on_sigterm() -> None:
    """Let SIGTERM raise SystemExit, so that what was started is ended on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def start(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    parent_end_signal: int | None = signal.SIGKILL,
) -> ProcessId:
    """Start a command in a process group of its own; it gets `parent_end_signal`, unless None, when this process ends."""
    tether = [sys.executable, "-IS", str(TETHER), str(os.getpid())]
    prefix = [] if parent_end_signal is None else [*tether, str(int(parent_end_signal))]
    log.parent.mkdir(parents=True, exist_ok=True)

    def run() -> ProcessId:
        with log.open("ab") as out:
            child = subprocess.Popen(
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        _CHILDREN[child.pid] = child
        return ProcessId(child.pid, psutil.Process(child.pid).create_time())

    return _STARTER.submit(run).result()


def stop(identity: ProcessId, *, seconds: float = 10, end_signal: int = signal.SIGTERM) -> None:
    """Ask a process to end; kill it and its group when it has not ended after `seconds`."""
    process = identity.process()
    if process is not None:
        process.send_signal(end_signal)
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            kill(identity)
    _reap(identity)


def kill(identity: ProcessId) -> None:
    """Kill a process, its group and all its descendants, and wait until they have ended.

    PostgreSQL's session processes have groups of their own: while one of them is alive the next start is refused.
    """
    process = identity.process()
    if process is not None:
        process.suspend()  # it starts no more meanwhile
        offspring = [ProcessId(child.pid, child.create_time()) for child in process.children(recursive=True)]
        if os.getpgid(identity.pid) == identity.pid:
            os.killpg(identity.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(10)
        _end_all(offspring)
    _reap(identity)


def _end_all(identities: Sequence[ProcessId], seconds: float = 10) -> None:
    for identity in identities:
        send(identity, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while any(identity.process() for identity in identities) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 10)


def send(identity: ProcessId, signal_number: int) -> None:
    """Send a signal to a process if it is alive."""
    if (process := identity.process()) is not None:
        with suppress(psutil.NoSuchProcess):  # it may end at this moment
            process.send_signal(signal_number)


def _reap(identity: ProcessId) -> None:
    if (child := _CHILDREN.pop(identity.pid, None)) is not None:
        child.wait()


def wait_until(ready: Callable[[], bool], identity: ProcessId, name: str, log: Path, seconds: float = 180) -> None:
    """Wait until `ready`; raises StartFailed with the end of the log when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        if identity.process() is None:
            _reap(identity)
            raise StartFailed(f"{name} ended while starting; the end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StartFailed(f"{name} was not ready after {seconds:.0f} s; the end of {log}:\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
