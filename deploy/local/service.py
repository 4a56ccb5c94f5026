"""Every process of Scribe Rabbit on this machine, on top of a local stack: started, monitored, killed and restarted."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import psycopg

from deploy.local import extractive_ai, ports, process
from deploy.local.errors import StartFailed
from deploy.local.process import ProcessId
from sink.postgres.migrate import migrate

MODELS = Path(__file__).parent / "models" / "models.toml"
PARTITIONS = 4  # one broker on a laptop needs no more
COMMANDS: dict[str, tuple[str, ...]] = {
    "api": ("producers.api",),
    "relay": ("producers.relay",),
    "gpu": ("gpu_consumers", "--stages", "transcribe,diarize"),
    "persist": ("streams", "persist"),
    "enhance": ("streams", "enhance"),
    "webhooks": ("streams", "webhooks"),
    "dispatch": ("streams", "dispatch"),
    "retention": ("streams", "retention"),
    "ai": ("deploy.local.extractive_ai",),
}
OURS = tuple(name for name in COMMANDS if name != "ai")
"""Those that are parts of the service; `ai` stands for the customer's."""
TENANT = "demo"
START_SECONDS = 120
STOP_SECONDS = 40  # the GPU process may finish what runs


@dataclass
class ServiceProcesses:
    """The processes of the service; `environment` holds the stack's variables, `folder` logs and local files.

    `worker` is the prefix of the workers' names: two sets of processes on one stack need two prefixes.
    """

    environment: Mapping[str, str]
    folder: Path
    names: tuple[str, ...] = tuple(COMMANDS)
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: COMMANDS)
    worker: str = "local"
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Variables of single processes, such as their users at the broker."""
    running: dict[str, ProcessId] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # a restarted process comes back under the same address, as it would in a cluster
        self.chosen = ports.choose(self.names, {}, {})
        self.environment = {
            "SCRIBE_MODELS_FILE": str(MODELS),
            "SCRIBE_WEBHOOK_KEY": base64.b64encode(os.urandom(32)).decode(),
            "SCRIBE_AUDIO_CACHE_DIR": str(self.folder / "audio"),
            "SCRIBE_PUBLIC_URL": self.api_url,
            "SCRIBE_API_URL": self.api_url,
            "SCRIBE_API_DEAD_LETTERS": "true",
            "SCRIBE_API_PORT": str(self.chosen.get("api", 0)),
            "ENHANCED_AI_ENDPOINT": f"http://{ports.HOST}:{self.chosen.get('ai', 0)}/v1",
            "SCRIBE_ENHANCED_AI_KIND": "openai",
            "SCRIBE_ENHANCED_AI_MODELS": extractive_ai.MODEL,
            **self.environment,
        }

    @property
    def api_url(self) -> str:
        """The address of the REST shim."""
        return f"http://{ports.HOST}:{self.chosen.get('api', 0)}"

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / "logs" / f"{name}.log"

    def process_environment(self) -> dict[str, str]:
        """Environment variables of every process of the service."""
        return {**os.environ, **self.environment}

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `scribe ...` to its end; raises StartFailed with its output when it fails and `check` is set."""
        done = subprocess.run(
            [sys.executable, "-m", "producers", *arguments],
            env=self.process_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise StartFailed(f"scribe {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def prepare(self) -> str:
        """Create the topics, the tables, the consent to enhanced AI and an API key; returns the key."""
        self.command("topics", "apply", "--partitions", str(PARTITIONS))
        migrate(self.environment["SCRIBE_POSTGRES_DSN"])
        self.command("tenants", "set", TENANT, "--enhanced-ai")
        return self.new_key()

    def new_key(self, *scopes: str) -> str:
        """A key of the tenant with these scopes, without any with the usual ones."""
        named = [word for scope in scopes for word in ("--scope", scope)]
        created = self.command("keys", "create", "--tenant", TENANT, "--json", *named)
        return str(json.loads(created.stdout)["key"])

    def webhook_secret(self, tenant: str, url: str) -> str:
        """The secret that verifies the webhooks to `url`."""
        return self.command("webhooks", "secret", url, "--tenant", tenant).stdout.strip()

    def start(self, *names: str) -> None:
        """Start processes (all when none is named) and return at once."""
        for name in names or self.names:
            own = {"SCRIBE_METRICS_PORT": str(self.chosen[name]), "SCRIBE_WORKER_ID": f"{self.worker}-{name}"}
            self.running[name] = process.start(
                [sys.executable, "-m", *self.commands[name]],
                self.log(name),
                environment={**self.environment, **own, **self.own.get(name, {})},
            )

    def wait_ready(self, names: Iterable[str] = (), seconds: float | None = None) -> None:
        """Wait until processes (all when none is named) are ready; raises StartFailed with the end of a log."""
        for name in names or tuple(self.running):
            process.wait_until(
                partial(self.is_ready, name), self.running[name], name, self.log(name), seconds or START_SECONDS
            )

    def wait_for_consent(self, seconds: float = START_SECONDS) -> None:
        """Wait until the persist app has read the tenant's policy; raises StartFailed."""
        process.wait_until(self._has_consent, self.running["persist"], "persist", self.log("persist"), seconds)

    def _has_consent(self) -> bool:
        with psycopg.connect(self.environment["SCRIBE_POSTGRES_DSN"]) as connection:
            found = connection.execute("SELECT FROM tenant_policies WHERE tenant = %s", [TENANT])
            return found.fetchone() is not None

    def is_ready(self, name: str) -> bool:
        """Whether a process answers /readyz with 200."""
        try:
            answer = httpx.get(f"http://{ports.HOST}:{self.chosen[name]}/readyz", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    def stop(self, *names: str) -> None:
        """Stop processes (all when none is named), and wait for their end."""
        ending = [self.running.pop(name) for name in names or tuple(self.running)]
        with ThreadPoolExecutor(max(1, len(ending))) as pool:
            list(pool.map(partial(process.stop, seconds=STOP_SECONDS), ending))

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL, as the loss of a machine would."""
        process.kill(self.running.pop(name))

    def memory_bytes(self) -> dict[str, int]:
        """The proportional share of memory (PSS) of every process with its children."""
        return {name: pss(identity) for name, identity in self.running.items()}


def pss(identity: ProcessId | None) -> int:
    """PSS in bytes of a process and its children: shared pages are counted once over all processes."""
    root = identity.process() if identity else None
    if root is None:
        return 0
    total = 0
    for child in (root, *root.children(recursive=True)):
        try:
            total += child.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total
