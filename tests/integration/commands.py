"""The `scribe` command as a process, and what tests of it ask of the database."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psycopg

from schemas.events import JobRequested
from schemas.wire.serde import Serde
from tests.integration.shim import RunningShim

Done = subprocess.CompletedProcess[str]
# what the developer has set must not decide a test
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}


def environment(**values: str) -> dict[str, str]:
    return {**CLEAN, "COLUMNS": "80", "NO_COLOR": "1", **values}


def scribe(*arguments: str, **values: str) -> Done:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "producers", *arguments],
        env=environment(**values),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


Run = Callable[..., Done]


class Started:
    """A command that runs until it is interrupted."""

    def __init__(self, *arguments: str, **values: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "producers", *arguments],
            env=environment(**values),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a run in the background may have been started with it ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def line(self) -> str:
        """The next line on stderr."""
        assert self._process.stderr
        return self._process.stderr.readline().rstrip("\n")

    def shown(self) -> str:
        """The next line on stdout."""
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")

    def interrupt(self, number: signal.Signals) -> tuple[int, str, list[str]]:
        """Exit code, stdout, and what stderr had not given yet."""
        self._process.send_signal(number)
        out, err = self._process.communicate(timeout=60)
        return self._process.returncode, out, err.splitlines()


def for_shim(shim: RunningShim) -> dict[str, str]:
    return {"SCRIBE_API_URL": shim.url, "SCRIBE_API_KEY": shim.key}


def lines(shown: str) -> list[dict[str, Any]]:
    """What `--json` printed: an object a line."""
    return [json.loads(line) for line in shown.splitlines()]


def last_job(shim: RunningShim) -> JobRequested:
    """The job that was submitted last, as the persist app would see it."""
    with psycopg.connect(shim.dsn) as connection:
        row = connection.execute("SELECT value FROM outbox ORDER BY id DESC LIMIT 1").fetchone()
    assert row
    return Serde().decode(bytes(row[0]), JobRequested)


def outbox_rows(shim: RunningShim) -> int:
    with psycopg.connect(shim.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(row[0]) if row else 0
