"""A Compose project on podman: docker-compose speaks to podman's own service, and a thread asks for the health of containers."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.checks.containers.engine import PODMAN, EngineFailed, podman
from deploy.environment import ROOT

COMPOSE = ROOT / "deploy" / "compose"
FILES = (COMPOSE / "compose.yaml", ROOT / "deploy" / "checks" / "containers" / "foreign" / "override.yaml")
START_SECONDS = 30
ASK_SECONDS = 3.0
# podman's defaults are higher than what a process without CAP_SYS_RESOURCE may ask for
CONFIGURATION = """[containers]
default_ulimits = ["nofile={nofile}:{nofile}", "nproc={nproc}:{nproc}"]
[engine]
runtime = "runc"
"""


class ComposeProject:
    """Up, down, kill and look at a project; a context manager that ends podman's service and removes what was made."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *, nofile: int, nproc: int) -> None:
        self.name = name
        self._socket = folder / "podman.sock"
        self._log = folder / "podman.log"
        self._configuration = folder / "containers.conf"
        self._configuration.write_text(CONFIGURATION.format(nofile=nofile, nproc=nproc))
        self._env_file = folder / "compose.env"
        self._env_file.touch(mode=0o600)
        self._env_file.write_text("".join(f"{key}={value}\n" for key, value in environment.items()))
        self._service: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        """Start podman's service; raises EngineFailed."""
        own = {**os.environ, "CONTAINERS_CONF": str(self._configuration)}
        with self._log.open("wb") as log:
            self._service = subprocess.Popen(
                [*PODMAN, "system", "service", "--time=0", f"unix://{self._socket}"], env=own, stdout=log, stderr=log
            )
        wait_for(self._socket.exists, START_SECONDS, "podman's service")
        self._clear()
        threading.Thread(target=self._ask, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove containers, volumes and networks, and end the service."""
        self._clear()
        self._stop.set()
        if self._service is not None:
            self._service.terminate()
            self._service.wait(30)

    def _clear(self) -> None:
        """Remove what this run, or one that was cut off, has left: volumes too, whose passwords are others."""
        self.compose("--profile", "tools", "down", "--volumes", "--timeout", "5", check=False)

    def compose(self, *arguments: str, check: bool = True, seconds: float = 1800) -> str:
        """The output of docker-compose; raises EngineFailed when it fails and `check` is set."""
        files = [word for path in FILES for word in ("--file", str(path))]
        command = ["docker-compose", "--project-name", self.name, "--env-file", str(self._env_file), *files, *arguments]
        own = {**os.environ, "DOCKER_HOST": f"unix://{self._socket}", "COMPOSE_HTTP_TIMEOUT": "600"}
        done = subprocess.run(
            command, cwd=COMPOSE, env=own, capture_output=True, text=True, check=False, timeout=seconds
        )
        if check and done.returncode:
            raise EngineFailed(f"docker-compose {' '.join(arguments)}: {(done.stderr + done.stdout)[-3000:].strip()}")
        return done.stdout

    def containers(self) -> dict[str, str]:
        """The state of each service's container: running (with its health), exited and its code."""
        names = podman("ps", "--all", "--filter", f"name=^{self.name}_", "--format", "{{.Names}}").split()
        if not names:
            return {}
        states = podman("inspect", "--format", "{{json .State}}", *names, check=False).splitlines()
        return {
            name.removeprefix(f"{self.name}_").rpartition("_")[0]: in_words(json.loads(state))
            for name, state in zip(names, states, strict=False)
        }

    def state(self, container: str) -> dict[str, Any]:
        """The state of a container, as podman reports it."""
        return dict(json.loads(podman("inspect", "--format", "{{json .State}}", container)))

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.name}_{service}_1"

    def pid(self, service: str) -> int:
        """The process of a service on this machine; 0 when it does not run."""
        return int(str(self.state(self.container(service))["Pid"]))

    def _ask(self) -> None:
        """Ask every container for its health again and again: podman leaves that to timers of systemd, which may be missing."""
        while not self._stop.wait(ASK_SECONDS):
            with suppress(EngineFailed, subprocess.TimeoutExpired):
                names = podman("ps", "--filter", f"name=^{self.name}_", "--format", "{{.Names}}", seconds=60)
                for name in names.splitlines():
                    podman("healthcheck", "run", name, check=False, seconds=30)


def in_words(state: Mapping[str, Any]) -> str:
    """`running healthy`, `exited 1`, or another state with what is known of it."""
    if state["Status"] == "exited":
        return f"exited {state['ExitCode']}"
    health = (state.get("Health") or state.get("Healthcheck") or {}).get("Status") or ""
    return f"{state['Status']} {health}".strip()


def wait_for(done: Callable[[], bool], seconds: float, what: str, say: Callable[[], object] = lambda: "") -> None:
    """Wait until `done`; raises EngineFailed with what `say` returns when time is up."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise EngineFailed(f"{what}: not there after {seconds:.0f} s {say()}")
        time.sleep(0.5)
