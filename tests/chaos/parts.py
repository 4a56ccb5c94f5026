"""The processes of a run: started, broken as ordered, started again by a supervisor as a platform would do it."""

import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psycopg

from deploy.local import ports, process
from deploy.local.errors import StartFailed
from deploy.local.process import ProcessId
from deploy.local.stack import Stack
from schemas.settings.stores import ObjectStoreSettings
from sink.webhooks.secrets import new_key
from tests.chaos.harm import Harm, Harming
from tests.chaos.places import OTHERS, PROCESSES
from tests.chaos.secure_stack import SecureStack
from tests.chaos.versions import Versions

LOOK_SECONDS = 0.05
DRAIN_SECONDS = 3.0
PATIENCE_SECONDS = 40.0  # for the end of a process that is told to end
TIME_SCALE = 0.01  # the first rung of the ladder is 0.6 s


@dataclass(frozen=True, slots=True)
class Drain:
    """How a process that was told to end did so; seconds after the signal, `unready` until it no longer said that it is ready."""

    name: str
    seconds: float
    unready: float
    code: int | None
    killed: bool


@dataclass
class Parts:
    """Processes on topics, groups, a database and a bucket that only this run has."""

    stack: Stack
    folder: Path
    prefix: str
    partitions: int = 4
    planted: str = ""
    workers: int = 8
    extra: Mapping[str, str] = field(default_factory=dict)
    harms: list[Harm] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)
    """Processes that ended without having been asked to, by name and status."""
    drains: list[Drain] = field(default_factory=list)
    lives: Counter[str] = field(default_factory=Counter)
    key: str = field(default_factory=new_key)
    versions: Versions = field(default_factory=Versions)

    def __post_init__(self) -> None:
        self._running: dict[str, ProcessId] = {}
        self._wanted: set[str] = set()
        self._frozen: set[str] = set()
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._ports = ports.choose((*PROCESSES, *OTHERS), {}, {})

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        database = self.bucket.replace(".", "_").replace("-", "_")
        with psycopg.connect(self.stack.postgres_dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
        self.dsn = self.stack.postgres_dsn(database)
        self.versions.create(self.environment, self.stack.kafka_bootstrap, self.prefix, self.partitions)
        client = self.stack.s3.client()
        client.create_bucket(Bucket=self.bucket)
        client.close()
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._supervisor.join(10)
        for identity in self._running.values():
            process.kill(identity)

    @property
    def bucket(self) -> str:
        """The run's own bucket: a prefix may be the name of the service itself."""
        return f"run-{self.prefix}"

    @property
    def executions(self) -> Path:
        """What the fake stages wrote down."""
        return self.folder / "executions.tsv"

    @property
    def passes(self) -> Path:
        """Which failpoints were passed, see tests.chaos.breaking."""
        return self.folder / "passes.tsv"

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the run finds."""
        return {
            **self.stack.environment(),
            "SCRIBE_POSTGRES_DSN": self.dsn,
            "SCRIBE_S3_BUCKET": self.bucket,
            "SCRIBE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "SCRIBE_WEBHOOK_KEY": self.key,
            "SCRIBE_WEBHOOK_TIMEOUT_SECONDS": "5",
            "SCRIBE_TIME_SCALE": str(TIME_SCALE),
            "SCRIBE_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "SCRIBE_TRANSCRIBE_WORKERS": str(self.workers),
            "SCRIBE_DIARIZE_WORKERS": str(min(16, self.workers)),
            "SCRIBE_LOG_LEVEL": "info",
            "CHAOS_PREFIX": self.prefix,
            "CHAOS_EXECUTIONS": str(self.executions),
            "CHAOS_PASSES": str(self.passes),
            "CHAOS_PLANTED": self.planted,
            **self.extra,
        }

    @property
    def object_store(self) -> ObjectStoreSettings:
        """The bucket, without what stands in front of it."""
        values = {
            "s3_endpoint": self.stack.s3_endpoint,
            "s3_bucket": self.bucket,
            "s3_access_key": self.stack.s3_access_key,
            "s3_secret_key": self.stack.s3_secret_key,
        }
        return ObjectStoreSettings.model_validate(values)

    def log(self, name: str) -> Path:
        """What a process wrote."""
        return self.folder / "logs" / f"{name}.log"

    def logs(self, prefix: str) -> list[Path]:
        """Of all processes whose names begin so."""
        return sorted((self.folder / "logs").glob(f"{prefix}*.log"))

    def start(self, *names: str, failpoints: str = "") -> None:
        """Start processes, and start each again whenever it ends."""
        for name in names or PROCESSES:
            with self._lock:
                self._wanted.add(name)
                # two joins may overlap: the second would take the name of the first
                if name not in self._running:
                    self._spawn(name, failpoints)

    def _spawn(self, name: str, failpoints: str = "") -> None:
        what = "gpu" if name.startswith("gpu") else name
        self.lives[name] += 1
        own = {
            "SCRIBE_WORKER_ID": name,
            "SCRIBE_METRICS_PORT": str(self._ports[name]),
            "SCRIBE_API_PORT": str(self._ports[name]),
            "CHAOS_FAILPOINTS": failpoints,
            "CHAOS_LIFE": str(self.lives[name]),
            **self.versions.environment(name),
        }
        if isinstance(self.stack, SecureStack):
            own |= self.stack.process_environment(what)
        command = [sys.executable, "-m", "tests.chaos.launch", what]
        self._running[name] = process.start(
            command, self.log(name), environment={**os.environ, **self.environment, **own}
        )
        self.versions.lives(name, self._running[name].pid)

    def _supervise(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            with self._lock:
                for name, identity in tuple(self._running.items()):
                    if name in self._frozen or identity.process() is not None:
                        continue
                    self._buried(name, "died")
                    if name in self._wanted:
                        self._spawn(name)

    def _buried(self, name: str, what: str) -> None:
        identity = self._running.pop(name)
        child = process._CHILDREN.get(identity.pid)
        status = child.poll() if child else None
        now = time.time()
        self.harms.append(Harm(name, what, now - 0.5, now, identity.pid))
        if what == "died":
            self.deaths[f"{name}: {status}"] += 1
        process.kill(identity)

    def kill(self, name: str, failpoints: str = "") -> None:
        """SIGKILL, and another start at once."""
        with self._lock:
            if (identity := self._running.get(name)) is None:
                return
            process.kill(identity)
            self._frozen.discard(name)
            self._buried(name, "killed")
            if name in self._wanted:
                self._spawn(name, failpoints)

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP for so long, then SIGCONT; it may be dead by then."""
        with self._lock:
            identity = self._running.get(name)
            if identity is None or name in self._frozen:
                return
            process.send(identity, signal.SIGSTOP)
            began = time.time()
        self._stopped.wait(seconds)
        process.send(identity, signal.SIGCONT)
        self.harms.append(Harm(name, "frozen", began, time.time(), identity.pid))

    def drain(self, name: str, *, again: bool = True) -> None:
        """SIGTERM, wait for its end, and another start."""
        with self._lock:
            if not again:
                self._wanted.discard(name)
            if (identity := self._running.get(name)) is None:
                return
            self._frozen.add(name)
        self._wait_for_end(name, identity)
        with self._lock:
            self._frozen.discard(name)
            if self._running.get(name) is identity:
                self._buried(name, "drained")
                if name in self._wanted:
                    self._spawn(name)

    def _wait_for_end(self, name: str, identity: ProcessId) -> None:
        """SIGTERM, and wait for the end; its record is kept."""
        process.send(identity, signal.SIGTERM)
        asked = time.monotonic()
        unready = math.inf
        while (
            identity.process() is not None
            and time.monotonic() - asked < PATIENCE_SECONDS
            and not self._stopped.is_set()
        ):
            if unready == math.inf and not self.ready(name):
                unready = time.monotonic() - asked
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - asked
        child = process._CHILDREN.get(identity.pid)
        code = child.poll() if child else None
        self.drains.append(Drain(name, seconds, min(unready, seconds), code, identity.process() is not None))

    def join(self, name: str, seconds: float, *, kill: bool) -> None:
        """Let one more member in, for so long."""
        self.start(name)
        self._stopped.wait(seconds)
        if kill:
            with self._lock:
                self._wanted.discard(name)
            self.kill(name)
        else:
            self.drain(name, again=False)

    def change(self, names: Iterable[str], *, kill: bool) -> None:
        """End processes at the same time, and start them again as the other version."""
        with self._lock:
            for name in names:
                self.versions.change(name)
        self._all(self.kill if kill else self.drain, names)

    def send(self, name: str, signal_number: int) -> None:
        """Send a signal to a process, if it runs."""
        with self._lock:
            if (identity := self._running.get(name)) is not None:
                process.send(identity, signal_number)

    def stop(self) -> None:
        """Let all end in good order, and start none again."""
        with self._lock:
            self._wanted.clear()
            running = tuple(self._running)
        self._all(self.drain, running)

    @staticmethod
    def _all(end: Callable[[str], None], names: Iterable[str]) -> None:
        threads = [threading.Thread(target=end, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def restart_broker(self, seconds: float, name: str = "kafka") -> None:
        """As after a power cut."""
        with self.harming("broker restart"):
            self.stack.components[name].kill()
            self._stopped.wait(seconds)
            self.stack.components[name].start()

    def freeze_broker(self, seconds: float, name: str) -> None:
        """As on a machine that stands still; the others take over, and it comes back with what it believed."""
        with self.harming("broker frozen"):
            self.stack.components[name].pause()
            self._stopped.wait(seconds)
            self.stack.components[name].resume()

    def drain_broker(self, name: str) -> None:
        """As in an upgrade, one broker at a time."""
        with self.harming("broker drained"):
            self.stack.components[name].restart()

    def restart_database(self, seconds: float) -> None:
        """Every session is cut in the middle, and the log is replayed at the start."""
        if (identity := self.stack.postgres.identity) is not None:
            process.stop(identity, end_signal=signal.SIGQUIT)
        self._stopped.wait(seconds)
        self.stack.postgres.start()

    def harming(self, what: str) -> Harming:
        """Around what is done to everybody."""
        return Harming(self.harms, what)

    def pids(self) -> dict[str, int]:
        """Those that run now."""
        with self._lock:
            return {name: identity.pid for name, identity in self._running.items()}

    def address(self, name: str) -> str:
        """Where a process answers HTTP."""
        return f"http://{ports.HOST}:{self._ports[name]}"

    def ready(self, name: str) -> bool:
        """Whether a process says so."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.address(name)}/readyz", timeout=2, trust_env=False).status_code == httpx.codes.OK
        return False

    def wait_ready(self, seconds: float = 120) -> None:
        """Wait until all that run are ready; raises StartFailed with the end of a log."""
        deadline = time.monotonic() + seconds
        while missing := [name for name in self.pids() if not self.ready(name)]:
            if time.monotonic() > deadline:
                raise StartFailed(f"{missing[0]} is not ready:\n{process.tail(self.log(missing[0]))}")
            time.sleep(0.1)
