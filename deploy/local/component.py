"""Base class of Kafka, PostgreSQL, S3 and the registry: prepare once, start, wait until ready, stop, kill."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from deploy.local import process
from deploy.local.errors import StackError
from deploy.local.ports import HOST, is_open


class Component(ABC):
    """One process of the stack with a data folder and a log; it can be stopped and started again on its data."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    end_signal: ClassVar[int] = signal.SIGTERM
    parent_end_signal: ClassVar[int] = signal.SIGKILL

    def __init__(self, folder: Path, ports: Mapping[str, int], *, owned: bool) -> None:
        self.data = folder / "data" / self.name
        self.log = folder / "logs" / f"{self.name}.log"
        self.ports = dict(ports)
        self.owned = owned
        self.identity: process.ProcessId | None = None
        self.on_spawn: Callable[[str, process.ProcessId], None] = lambda _name, _identity: None

    @property
    def port(self) -> int:
        """The port for clients."""
        return self.ports[self.port_names[0]]

    @property
    def address(self) -> str:
        """The address as host:port."""
        return f"{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self.identity is not None and self.identity.process() is not None

    @abstractmethod
    def prepare(self) -> None:
        """Write the configuration and, on first use, lay out the data folder."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line of the server."""

    def environment(self) -> Mapping[str, str]:
        """Additional environment variables of the server."""
        return {}

    def ready(self) -> bool:
        """Whether the server answers."""
        return is_open(self.port)

    def after_start(self) -> None:  # noqa: B027 - most have nothing to do
        """Create what the service expects to find; idempotent."""

    def start(self) -> None:
        """Start and return when the server answers; raises StackError when it does not."""
        if self.running:
            return
        self.data.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.identity = process.start(
            self.command(),
            self.log,
            environment=self.environment(),
            cwd=self.data,
            parent_end_signal=self.parent_end_signal if self.owned else None,
        )
        self.on_spawn(self.name, self.identity)
        process.wait_until(self.ready, self.identity, self.name, self.log)
        self.after_start()

    def stop(self) -> None:
        """Stop with an orderly shutdown."""
        if self.identity is not None:
            process.stop(self.identity, end_signal=self.end_signal)

    def kill(self) -> None:
        """Kill with SIGKILL, as a power cut would."""
        process.kill(self._known())

    def pause(self) -> None:
        """Freeze the process, as an overloaded machine would, until `resume`."""
        process.send(self._known(), signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        process.send(self._known(), signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start on the same data and port."""
        self.stop()
        self.start()

    def _known(self) -> process.ProcessId:
        if self.identity is None:
            raise StackError(f"{self.name} was never started")
        return self.identity
