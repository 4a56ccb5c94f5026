"""Decoded recordings on the local disk, shared by both groups: files by digest, the least recently used go first.

Safe for any number of threads and processes: files appear by renaming, and what is mapped stays readable when its
name is gone. A digest that a client names is never enough to read from here: callers ask with one they computed.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gpu_consumers.engine import Samples
from gpu_consumers.media import load

STALE_SECONDS = 6 * 3600  # a file still being made after so long belongs to a process that died
_PART = ".part"
_JOB = "job-"


class AudioCache:
    """A folder of decoded recordings of at most so many bytes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder of its own for one job, gone at the end."""
        with tempfile.TemporaryDirectory(prefix=_JOB, dir=self._folder, ignore_cleanup_errors=True) as name:
            yield Path(name)

    def get(self, key: str) -> Samples | None:
        """The samples [samples, channels] under `key`, None when they are not here."""
        path = self._path(key)
        try:
            os.utime(path)
            return load(path)
        except (OSError, ValueError):
            return None

    def add(self, key: str, make: Callable[[Path], None]) -> Samples:
        """The samples that `make` writes into the file it is given; kept unless they alone exceed the cache."""
        handle, name = tempfile.mkstemp(suffix=_PART, dir=self._folder)
        os.close(handle)
        part = Path(name)
        try:
            make(part)
            samples = load(part)
            part.replace(self._path(key))
        finally:
            part.unlink(missing_ok=True)
        self._evict()
        return samples

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npy"

    def _evict(self) -> None:
        files = sorted(_stats(self._folder, "*.npy"))
        excess = sum(size for _, size, _ in files) - self._max_bytes
        for _, size, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size

    def _sweep(self) -> None:
        for pattern in (f"*{_PART}*", f"{_JOB}*"):
            for used, _, path in _stats(self._folder, pattern):
                if used < time.time() - STALE_SECONDS:
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _stats(folder: Path, pattern: str) -> list[tuple[float, int, Path]]:
    """When each file was last used, its size and its path; files may vanish meanwhile."""
    found = []
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            stat = path.stat()
            found.append((stat.st_mtime, stat.st_size, path))
    return found
