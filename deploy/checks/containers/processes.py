"""The processes of the service as containers on a local stack: each with a read-only root, as the user of its image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from deploy.checks.containers.engine import PODMAN, image_of, limits, podman
from deploy.local import process
from deploy.local.process import ProcessId
from deploy.local.service import TENANT, ServiceProcesses

RECORDINGS = Path(__file__).parents[2] / "local" / "recordings"
ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "api": ("api", ("scribe-api",)),
    "relay": ("api", ("scribe-relay",)),
    "gpu": ("gpu", ("scribe-gpu",)),
    "persist": ("streams", ("scribe-streams", "persist")),
    "enhance": ("streams", ("scribe-streams", "enhance")),
    "webhooks": ("streams", ("scribe-streams", "webhooks")),
    "dispatch": ("streams", ("scribe-streams", "dispatch")),
    "retention": ("streams", ("scribe-streams", "retention")),
}
"""Image and command of each process."""
HARDENED = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/scratch:mode=1777", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--pull", "never", "--network", "host"),
)
OURS = ("SCRIBE_", "ENHANCED_AI_")


@dataclass
class ContainerProcesses(ServiceProcesses):
    """Like the processes of the demo, but from the images; the customer's AI service stays a process of this machine."""

    mark: str = field(default_factory=lambda: uuid4().hex[:8])
    volumes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        # inside of the images: what they bring themselves, and the loopback that they share with the stack
        self.environment = {
            **self.environment,
            "SCRIBE_MODELS_FILE": "",
            "SCRIBE_AUDIO_CACHE_DIR": "/scratch/audio",
            "SCRIBE_METRICS_HOST": "127.0.0.1",
            "SCRIBE_API_HOST": "127.0.0.1",
        }

    def container(self, name: str) -> str:
        """The name of a process's container."""
        return f"scribe-check-{self.mark}-{name}"

    def start(self, *names: str) -> None:
        """See ServiceProcesses."""
        for name in names or self.names:
            if name in ROLES:
                self.running[name] = self._start(name)
            else:
                super().start(name)

    def _start(self, name: str) -> ProcessId:
        role, command = ROLES[name]
        own = {"SCRIBE_METRICS_PORT": str(self.chosen[name]), "SCRIBE_WORKER_ID": f"{self.worker}-{name}"}
        if name != "api":
            own["SCRIBE_API_PORT"] = own["SCRIBE_METRICS_PORT"]  # which the check of health asks first
        volumes = [word for volume in self.volumes.get(name, ()) for word in ("--volume", volume)]
        options = (
            "--rm",
            "--name",
            self.container(name),
            *HARDENED,
            *limits(),
            *self._environment(name, own),
            *volumes,
        )
        # SIGTERM, which podman hands on: SIGKILL would end podman and leave the container
        return process.start([*PODMAN, "run", *options, image_of(role), *command], self.log(name), parent_end_signal=15)

    def _environment(self, name: str, own: Mapping[str, str]) -> tuple[str, str]:
        """The option that hands the settings in, in a file because some are secrets."""
        path = self.folder / f"{name}.env"
        path.touch(mode=0o600)
        given = {key: value for key, value in {**self.environment, **own}.items() if key.startswith(OURS)}
        path.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
        return ("--env-file", str(path))

    def scribe(self, *arguments: str) -> str:
        """The output of `scribe`, run in the image of the REST shim; raises EngineFailed."""
        options = ("--rm", *HARDENED, *limits(), *self._environment("scribe", {}))
        folder = ("--volume", f"{RECORDINGS}:/recordings:ro")
        return podman("run", *options, *folder, image_of("api"), "scribe", *arguments, seconds=900)

    def prepare(self) -> str:
        """See ServiceProcesses; everything is done by the image."""
        self.scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1")
        self.scribe("database", "migrate")
        self.scribe("tenants", "set", TENANT, "--enhanced-ai")
        return self.scribe("keys", "create", "--tenant", TENANT)

    def webhook_secret(self, tenant: str, url: str) -> str:
        """See ServiceProcesses."""
        return self.scribe("webhooks", "secret", url, "--tenant", tenant)

    def stop(self, *names: str) -> None:
        """See ServiceProcesses; no container stays."""
        super().stop(*names)
        if left := [self.container(name) for name in ROLES]:
            podman("rm", "--force", "--ignore", *left, check=False)


def user_and_writes(container: str) -> tuple[str, list[str]]:
    """Whom a container's process runs as, and what was written outside of its writable folders."""
    identity = podman("exec", container, "id", "-u")
    changed = [line for line in podman("diff", container).splitlines() if not _is_mount(line.split(maxsplit=1)[1])]
    return identity, changed


def _is_mount(path: str) -> bool:
    """Whether the engine itself made it: mount points, names and devices."""
    return Path(path).parts[1] in ("scratch", "models", "etc", "dev", "proc", "sys", "run", "recordings")
