"""Apicurio Registry with its Confluent-compatible interface, fetched and started only on request."""

import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console

from deploy.local.artifacts import Artifact, artifacts_of, cache_folder, ensure_room, fetch
from deploy.local.component import Component
from deploy.local.errors import DownloadFailed
from deploy.local.java import java
from deploy.local.ports import HOST

HEAP_MB = 256
UNPACKED_FACTOR = 1.2  # the archive's jars are compressed already


def unpack(archive: Path, artifact: Artifact, cache: Path) -> Path:
    """The folder of the unpacked archive, made once per digest; an interrupted run leaves nothing behind."""
    goal = cache / "registry" / artifact.sha256[:16]
    if not goal.exists():
        ensure_room(goal.parent, int(artifact.size * UNPACKED_FACTOR))
        part = Path(tempfile.mkdtemp(dir=goal.parent, prefix=".part-"))
        try:
            with tarfile.open(archive) as tar:
                # Python 3.11.3 and older have no filter; the archive's digest was verified in any case
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(part)  # noqa: S202 - see above
            part.replace(goal)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return goal


def is_at_hand(say: Console | None = None) -> bool:
    """Whether the program is in the cache or can be downloaded now; a failure is printed."""
    try:
        fetch(artifacts_of(Registry.name), cache_folder(), say)
    except DownloadFailed as error:
        (say or Console(stderr=True)).print(str(error), markup=False, highlight=False)
        return False
    return True


class Registry(Component):
    """The schema registry."""

    name = "registry"
    port_names = ("registry",)

    def __init__(self, folder: Path, ports: Mapping[str, int], program: Path, *, owned: bool) -> None:
        super().__init__(folder, ports, owned=owned)
        self._program = program

    @property
    def url(self) -> str:
        """Address of its Confluent-compatible interface."""
        return f"http://{self.address}/apis/ccompat/v7"

    def prepare(self) -> None:
        """Do nothing: all settings are environment variables."""

    def environment(self) -> Mapping[str, str]:
        """See Component."""
        return registry_environment(self.port, self.data)

    def command(self) -> Sequence[str]:
        """See Component."""
        jar = next(self._program.rglob("quarkus-run.jar"))
        return java(HEAP_MB, ["-jar", str(jar)])

    def ready(self) -> bool:
        """Whether the registry answers."""
        try:
            with urlopen(f"{self.url}/subjects", timeout=2) as answer:  # noqa: S310 - our own http address
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def registry_environment(port: int, data: Path) -> dict[str, str]:
    """Settings of Apicurio: loopback only, schemas in a file database."""
    return {
        "QUARKUS_HTTP_HOST": HOST,
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
        # it would listen on all interfaces at a fixed port otherwise
        "QUARKUS_MANAGEMENT_HOST": HOST,
        "QUARKUS_MANAGEMENT_PORT": "0",
        "QUARKUS_LOG_LEVEL": "WARN",
        "QUARKUS_LOG_CATEGORY__IO_APICURIO__LEVEL": "WARN",
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "h2",
        "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{data / 'schemas'}",
    }
