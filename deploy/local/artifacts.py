"""The Java files of the stack: pinned by version and digest in `artifacts/*.txt`, kept in a shared cache.

A line is `group:name:version[:classifier:type] sha256 bytes`. Maven chose the versions (see `deploy.local.resolve`);
jgo only fetches them, because its own choice of transitive versions is wrong for Kafka.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from jgo.config import GlobalSettings
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from deploy.local.errors import DiskFull, DownloadFailed

FOLDER = Path(__file__).parent / "artifacts"
THREADS = 8
SPARE_BYTES = 200_000_000  # room that must be left for the components' own data
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository; `size` in bytes."""

    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """File name in the cache."""
        return f"{self.name}-{self.version}{'-' if self.classifier else ''}{self.classifier}.{self.packaging}"


def line_of(artifact: Artifact) -> str:
    """The artifact as a line of a list."""
    parts = [artifact.group, artifact.name, artifact.version]
    if (artifact.classifier, artifact.packaging) != ("", "jar"):
        parts += [artifact.classifier, artifact.packaging]
    return f"{':'.join(parts)} {artifact.sha256} {artifact.size}"


def parse_line(line: str) -> Artifact:
    """The reverse of `line_of`."""
    coordinate, sha256, size = line.split()
    group, name, version, *rest = coordinate.split(":")
    classifier, packaging = rest or ("", "jar")
    return Artifact(group, name, version, classifier, packaging, sha256, int(size))


def artifacts_of(component: str) -> tuple[Artifact, ...]:
    """The files that a component (`kafka`, `s3`, `registry`) needs to run."""
    return tuple(map(parse_line, (FOLDER / f"{component}.txt").read_text().splitlines()))


def cache_folder() -> Path:
    """The folder of downloads for all checkouts: SCRIBE_CACHE_DIR, or the platform's cache folder."""
    return Path(os.environ.get("SCRIBE_CACHE_DIR") or platformdirs.user_cache_path("scribe-rabbit"))


def is_genuine(path: Path, artifact: Artifact) -> bool:
    """Whether a file exists and is exactly the pinned one."""
    if not path.is_file() or path.stat().st_size != artifact.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256


def ensure_room(folder: Path, needed: int, elsewhere: str = "set SCRIBE_CACHE_DIR") -> None:
    """Raise DiskFull unless `needed` bytes and some spare room fit; `elsewhere` tells how to choose another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise DiskFull(
            f"{(needed + SPARE_BYTES) / 1e6:.0f} MB are needed in {folder}, {free / 1e6:.0f} MB are free: "
            f"make room, or {elsewhere} to a folder on another disk"
        )


def fetch(artifacts: Iterable[Artifact], cache: Path, say: Console | None = None) -> list[Path]:
    """The files of `artifacts` in the cache, downloaded where they are missing; order kept, digests verified."""
    wanted = list(artifacts)
    folder = cache / "artifacts"
    with ThreadPoolExecutor(THREADS) as pool:
        genuine = pool.map(lambda a: is_genuine(folder / a.file_name, a), wanted)
        missing = [artifact for artifact, good in zip(wanted, genuine, strict=True) if not good]
    if missing:
        ensure_room(folder, sum(artifact.size for artifact in missing))
        _download_all(missing, folder, say or Console(stderr=True))
    return [folder / artifact.file_name for artifact in wanted]


def _download_all(missing: list[Artifact], folder: Path, say: Console) -> None:
    total = sum(artifact.size for artifact in missing)
    say.print(f"Fetching {len(missing)} files, {total / 1e6:.0f} MB, into {folder}", highlight=False, soft_wrap=True)
    columns = (TextColumn("  "), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=say) as bars, ThreadPoolExecutor(THREADS) as pool:
        task = bars.add_task("", total=total)
        jobs = [pool.submit(_download, a, folder, lambda n: bars.advance(task, n)) for a in missing]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:  # Ctrl-C too: what has not begun need not be fetched
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _download(artifact: Artifact, folder: Path, advance: Advance) -> None:
    """Download to a temporary folder beside the target and rename, so that a failed download leaves no partial file."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as part:
        try:
            path = _fetch_one(artifact, Path(part), advance)
        except DownloadFailed:
            raise
        # jgo passes on whatever its HTTP client raises, and a RuntimeError when no repository has the file
        except Exception as error:
            raise _failed(artifact, folder, f"{type(error).__name__}: {error}") from error
        if not is_genuine(path, artifact):
            raise _failed(artifact, folder, f"what came is not the pinned file (sha256 {artifact.sha256})")
        path.replace(folder / artifact.file_name)


def _fetch_one(artifact: Artifact, repository: Path, advance: Advance) -> Path:
    @contextmanager
    def progress(_name: str, _size: int) -> Any:
        yield advance

    follow: Callable[[str, int], AbstractContextManager[Advance]] = progress
    remote = GlobalSettings.load().repositories or None  # a mirror is the user's own jgo setting
    context = MavenContext(PythonResolver(progress_callback=follow), repo_cache=repository, remote_repos=remote)
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    return Path(component.artifact(artifact.classifier, artifact.packaging).resolve())


def _failed(artifact: Artifact, folder: Path, reason: str) -> DownloadFailed:
    coordinate = f"{artifact.group}:{artifact.name}:{artifact.version}"
    return DownloadFailed(
        f"{artifact.file_name} ({coordinate}) could not be fetched: {reason}\n"
        f"Try again with a network, or put the file into {folder}"
    )
