"""The processes of a run: a database server that is restarted, dispatchers that are killed, the receivers."""

import random
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from deploy.local import ports, process
from deploy.local.postgres import Postgres
from deploy.local.process import ProcessId
from sink.postgres.migrate import migrate
from sink.webhooks.secrets import new_key
from tests.bench.webhooks.plan import Plan

TIME_SCALE = 1e-4  # the whole schedule of three days in half a minute
CALL_SECONDS = 3.0


def receivers_port() -> int:
    """A free port for the receivers."""
    return ports.choose(["receivers"], {}, {})["receivers"]


@dataclass
class Parts:
    """Starts everything in a folder, and ends it with the context."""

    folder: Path
    plan: Plan
    dispatchers: int
    module: tuple[str, ...] = ("tests.bench.webhooks.dispatch", "dispatch")
    """The module that a dispatcher runs, with its arguments."""
    time_scale: float = TIME_SCALE
    restarts: int = 0
    kills: int = 0
    ended_alone: int = 0
    key: str = field(default_factory=new_key)
    _running: dict[int, ProcessId] = field(default_factory=dict)
    _cleanup: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:  # Ctrl-C too: half a service must not stay behind
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _start(self) -> None:
        # the receivers do not listen yet: their port is named, so that it is not taken
        chosen = ports.choose(("receivers", *Postgres.port_names), {}, {"receivers": self.plan.port})
        # durable: an immediate restart would lose what a server without synchronous commits has promised
        self._postgres = Postgres(self.folder / "postgres", chosen, "scribe", owned=True, durable=True)
        self._cleanup.callback(self._postgres.stop)
        self._postgres.start()
        migrate(self.dsn)
        self.plan.write(self.folder / "plan.json")
        command = ("tests.bench.webhooks.receivers", str(self.folder / "plan.json"), str(self.calls_log))
        receivers = process.start([sys.executable, "-m", *command], self.folder / "logs" / "receivers.log")
        self._cleanup.callback(process.stop, receivers)
        log = self.folder / "logs" / "receivers.log"
        process.wait_until(lambda: ports.is_open(self.plan.port), receivers, "receivers", log)

    @property
    def dsn(self) -> str:
        """The database."""
        return self._postgres.dsn()

    @property
    def calls_log(self) -> Path:
        """Where the receivers write down every call."""
        return self.folder / "calls.tsv"

    def environment(self) -> Mapping[str, str]:
        """What a dispatcher finds in its environment."""
        return {
            "SCRIBE_ENVIRONMENT": "development",
            "SCRIBE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "SCRIBE_POSTGRES_DSN": self.dsn,
            "SCRIBE_WEBHOOK_KEY": self.key,
            "SCRIBE_WEBHOOK_TIMEOUT_SECONDS": str(CALL_SECONDS),
            "SCRIBE_TIME_SCALE": str(self.time_scale),
            "SCRIBE_LOG_LEVEL": "warning",
        }

    def start_dispatchers(self) -> None:
        """Start those that do not run."""
        for number in range(self.dispatchers):
            running = self._running.get(number)
            if running is not None and running.process() is not None:
                continue
            self.ended_alone += running is not None
            command = [sys.executable, "-m", *self.module]
            log = self.folder / "logs" / f"dispatch-{number}.log"
            self._running[number] = process.start(command, log, environment=self.environment())
            if running is None:
                self._cleanup.callback(lambda number=number: process.stop(self._running[number]))  # type: ignore[misc]

    def kill_dispatcher(self, chance: random.Random) -> None:
        """SIGKILL one of the dispatchers, and start it again."""
        number = chance.randrange(self.dispatchers)
        process.kill(self._running.pop(number))
        self.kills += 1
        self.start_dispatchers()

    def stop_dispatchers(self) -> None:
        """Let them end in good order."""
        for identity in self._running.values():
            process.stop(identity)

    def restart_database(self) -> None:
        """As after a crash: every session is cut in the middle, and the log is replayed at the start."""
        if self._postgres.identity is not None:
            process.stop(self._postgres.identity, end_signal=signal.SIGQUIT)
        self._postgres.start()
        self.restarts += 1
