"""The local stack: Kafka, PostgreSQL, S3 and optionally the schema registry, started together on one data folder."""

import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from filelock import FileLock, Timeout
from rich.console import Console

from deploy.local import artifacts, ports, process
from deploy.local.broker_access import ADMIN, BrokerAccess
from deploy.local.component import Component
from deploy.local.errors import StackError
from deploy.local.kafka import Kafka, broker_ports
from deploy.local.postgres import Postgres
from deploy.local.registry import Registry, unpack
from deploy.local.s3 import BUCKET, REGION, S3
from deploy.local.state import StackState, read_state, write_state
from sink.records.kafka.rights import USERS

LOCK_SECONDS = 120
C = TypeVar("C", bound=Component)


class Stack:
    """Real components on loopback ports; a context manager that starts them and stops those that it started.

    An owned stack ends with this process in any case; any other runs until it is stopped by a command. With three
    `brokers` Kafka replicates; a `secure` one wants TLS, users and rights; `audit` logs what it allows, too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        registry: bool = False,
        asked_ports: Mapping[str, int] | None = None,
        owned: bool = True,
        durable: bool = True,
        fresh: bool = False,
        brokers: int = 1,
        secure: bool = False,
        audit: bool = False,
        cache: Path | None = None,
        say: Console | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self._with_registry = registry
        self._asked = dict(asked_ports or {})
        self._owned = owned
        self._durable = durable
        self._fresh = fresh
        if brokers not in (1, 3):
            raise StackError(f"{brokers} brokers: 1, or 3 that replicate")
        self._brokers = brokers
        self._secure = secure
        self._audit = audit
        self._cache = cache or artifacts.cache_folder()
        self._say = say or Console(stderr=True)
        self._state = StackState()
        self._writing = threading.Lock()
        self.components: dict[str, Component] = {}

    @classmethod
    def attach(cls, folder: Path, *, cache: Path | None = None) -> "Stack":
        """The running stack of `folder`; raises StackError when none runs there."""
        state = read_state(folder.absolute())
        if not state.running:
            raise StackError(f"no stack runs in {folder}: start one with python -m deploy.local up --dir {folder}")
        registry = Registry.name in state.processes
        stack = cls(
            folder,
            registry=registry,
            owned=False,
            durable=state.durable,
            brokers=state.brokers,
            secure=state.secure,
            cache=cache,
        )
        stack._state = state
        stack._compose()
        for name, component in stack.components.items():
            component.identity = state.processes.get(name)
        return stack

    @property
    def kafka(self) -> Kafka:
        """The broker, the first one where there are three."""
        return self._component(Kafka)

    @property
    def brokers(self) -> tuple[Kafka, ...]:
        """All brokers."""
        return tuple(component for component in self.components.values() if isinstance(component, Kafka))

    @property
    def broker_access(self) -> BrokerAccess:
        """Certificates and users of the brokers; raises StackError when there are none."""
        if (access := self.kafka.access) is None:
            raise StackError(f"the stack in {self.folder} runs without TLS and users")
        return access

    @property
    def postgres(self) -> Postgres:
        """The database server."""
        return self._component(Postgres)

    @property
    def s3(self) -> S3:
        """The object store."""
        return self._component(S3)

    @property
    def registry(self) -> Registry:
        """The schema registry; raises StackError when the stack has none."""
        return self._component(Registry)

    def _component(self, kind: type[C]) -> C:
        component = self.components.get(kind.name)
        if not isinstance(component, kind):
            raise StackError(f"the stack in {self.folder} runs without {kind.name}")
        return component

    @property
    def kafka_bootstrap(self) -> str:
        """The brokers' addresses as host:port, separated by commas."""
        return ",".join(broker.address for broker in self.brokers)

    def postgres_dsn(self, dbname: str = "scribe") -> str:
        """The connection string of a database."""
        return self.postgres.dsn(dbname)

    @property
    def s3_endpoint(self) -> str:
        """The address of the object store."""
        return self.s3.endpoint

    @property
    def s3_access_key(self) -> str:
        """The access key of the object store."""
        return self._state.secrets.s3_access_key

    @property
    def s3_secret_key(self) -> str:
        """The secret key of the object store."""
        return self._state.secrets.s3_secret_key

    @property
    def registry_url(self) -> str:
        """The address of the registry's Confluent-compatible interface; raises StackError when the stack has none."""
        return self.registry.url

    def environment(self, kafka_user: str = ADMIN) -> dict[str, str]:
        """The environment variables with which the service finds this stack, as a user of a secure broker."""
        variables = {
            "SCRIBE_ENVIRONMENT": "development",
            "SCRIBE_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "SCRIBE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            **(self.kafka.access.environment(kafka_user) if self.kafka.access else {}),
            "SCRIBE_POSTGRES_DSN": self.postgres_dsn(),
            "SCRIBE_S3_ENDPOINT": self.s3_endpoint,
            "SCRIBE_S3_ACCESS_KEY": self.s3_access_key,
            "SCRIBE_S3_SECRET_KEY": self.s3_secret_key,
            "SCRIBE_S3_REGION": REGION,
            "SCRIBE_S3_BUCKET": BUCKET,
        }
        if self._with_registry:
            variables["SCRIBE_SCHEMA_REGISTRY_URL"] = self.registry_url
        return variables

    def start(self) -> None:
        """Fetch missing files and start everything; raises StackError, after stopping what it started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS):
                self._start()
        except Timeout as error:
            raise StackError(f"another command has been starting the stack in {self.folder} for long") from error

    def _start(self) -> None:
        self._state = read_state(self.folder)
        if running := self._state.running:
            raise StackError(f"{', '.join(running)} of the stack in {self.folder} run already: stop them first")
        if self._fresh:
            shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.rmtree(self.folder / "logs", ignore_errors=True)
        self._state.durable = self._durable
        self._state.brokers, self._state.secure = self._brokers, self._secure
        self._state.processes = {}
        self._state.ports |= ports.choose(self._port_names(), self._asked, self._state.ports)
        self._compose()
        artifacts.ensure_room(self.folder, 0, "choose another --dir, one that belongs")
        write_state(self.folder, self._state)
        try:
            self.start_missing()
        except BaseException:  # Ctrl-C too: half a stack must not stay behind
            self.stop()
            raise

    def start_missing(self) -> None:
        """Start all components that do not run, in parallel; raises StackError."""
        with ThreadPoolExecutor(len(self.components)) as pool:
            jobs = [pool.submit(component.start) for component in self.components.values()]
            try:
                wait(jobs)
            except BaseException:  # Ctrl-C: what ends now need not become ready first
                self.stop()
                raise
        for job in jobs:
            job.result()

    def _port_names(self) -> list[str]:
        kinds: list[type[Component]] = [Postgres, S3, *([Registry] if self._with_registry else [])]
        brokers = [name for n in self._numbers for name in broker_ports(n, secure=self._secure)]
        return [*brokers, *(name for kind in kinds for name in kind.port_names)]

    @property
    def _numbers(self) -> range:
        return range(1, self._brokers + 1)

    def _compose(self) -> None:
        """Create the components, after their files are fetched together."""
        names = [Kafka.name, S3.name, *([Registry.name] if self._with_registry else [])]
        lists = {name: artifacts.artifacts_of(name) for name in names}
        wanted = list(dict.fromkeys(artifact for files in lists.values() for artifact in files))
        found = dict(zip(wanted, artifacts.fetch(wanted, self._cache, self._say), strict=True))
        jars = {name: [found[artifact] for artifact in files] for name, files in lists.items()}
        folder, known, secrets = self.folder, self._state.ports, self._state.secrets
        keys = (secrets.s3_access_key, secrets.s3_secret_key)
        parts: list[Component] = [
            *self._brokers_with(jars[Kafka.name]),
            Postgres(folder, known, secrets.postgres_password, owned=self._owned, durable=self._durable),
            S3(folder, known, jars[S3.name], keys, owned=self._owned),
        ]
        if self._with_registry:
            program = unpack(jars[Registry.name][0], lists[Registry.name][0], self._cache)
            parts.append(Registry(folder, known, program, owned=self._owned))
        for part in parts:
            part.on_spawn = self._remember
        self.components = {part.name: part for part in parts}

    def _brokers_with(self, jars: Sequence[Path]) -> list[Kafka]:
        access = None
        if self._secure:
            access = BrokerAccess(
                self.folder / "access", self._state.secrets.kafka_secret, self._audit, tuple(set(USERS.values()))
            )
            access.prepare()
        return [
            Kafka(
                self.folder,
                self._state.ports,
                jars,
                owned=self._owned,
                number=number,
                brokers=self._brokers,
                access=access,
            )
            for number in self._numbers
        ]

    def _remember(self, name: str, identity: process.ProcessId) -> None:
        with self._writing:
            self._state.processes[name] = identity
            write_state(self.folder, self._state)

    def stop(self) -> None:
        """Stop the running components of this stack in parallel; the data stays."""
        stop_all(self.components)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def stop_all(components: Mapping[str, Component]) -> None:
    """Stop components in parallel, each with an orderly shutdown."""
    with ThreadPoolExecutor(max(1, len(components))) as pool:
        for job in [pool.submit(component.stop) for component in components.values()]:
            job.result()
