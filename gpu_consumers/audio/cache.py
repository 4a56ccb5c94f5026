"""Cache of decoded recordings on the local disk, shared by both groups: files by digest, least recently used go first.

Safe for any number of threads and processes: files appear by renaming, and mapped files stay readable after deletion. A
digest named by a client is never enough to read from here: callers use one that they computed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from gpu_consumers.audio.decode import load
from gpu_consumers.audio.samples import Samples
from schemas.errors import Outage, Transient
from sink.objects.disk import is_full

PATIENCE_SECONDS = 300.0  # so long a job waits for room on the disk before it counts as an attempt
MAX_AGE_SECONDS = 3600.0
EXPIRE_SECONDS = 60.0
_WORK = "work-"
_PART = ".part"
_JOB = "job-"


class AudioCache:
    """A folder of decoded recordings, limited to so many bytes together with the working files of jobs.

    Work in progress lies in a folder of this process that is locked as long as the process lives: the next one to start
    recognises by the lock what a dead process left.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        now: Callable[[], float] = time.monotonic,
        *,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        """Open the cache; `max_age_seconds`: recordings unused for so long are deleted, however much room there is."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age = max_age_seconds
        self._now = now
        self._waiting = threading.local()  # the time since when this thread's job finds no room
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            _sweep(folder)
            self.expire()
            self._work = Path(tempfile.mkdtemp(prefix=_WORK, dir=folder))
            weakref.finalize(self, _leave, self._work, _lock(self._work))

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A temporary folder for one job, deleted at the end.

        A full disk during the block raises Outage, and Transient when it stays full for PATIENCE_SECONDS.
        """
        short = False
        try:
            with tempfile.TemporaryDirectory(prefix=_JOB, dir=self._work, ignore_cleanup_errors=True) as name:
                yield Path(name)
        except OSError as error:
            short = is_full(error)
            if not short:
                raise
            raise self._shortage() from error
        finally:
            if not short:
                self._waiting.since = None

    def _shortage(self) -> Outage | Transient:
        """Handle a full disk: cached recordings are deleted to make room."""
        self._evict(0)
        if (since := getattr(self._waiting, "since", None)) is None:
            since = self._waiting.since = self._now()
        if self._now() - since < PATIENCE_SECONDS:
            return Outage("the disk of this machine is full")
        self._waiting.since = None
        return Transient("the disk of this machine stays full")

    def get(self, key: str) -> Samples | None:
        """The samples [samples, channels] under `key`, None when they are not cached."""
        path = self._path(key)
        try:
            os.utime(path)
            return load(path)
        except (OSError, ValueError):
            return None

    def add(self, key: str, make: Callable[[Path], None]) -> Samples:
        """The samples that `make` writes into the given file; cached unless they alone exceed the limit."""
        self._evict(self._max_bytes)  # the recording itself is here by now
        handle, name = tempfile.mkstemp(suffix=_PART, dir=self._work)
        os.close(handle)
        part = Path(name)
        try:
            make(part)
            samples = load(part)
            part.replace(self._path(key))
        finally:
            part.unlink(missing_ok=True)
        self._evict(self._max_bytes)
        return samples

    def expire(self) -> None:
        """Delete recordings that were unused for long: a recording must not outlive its jobs by more than that."""
        oldest = time.time() - self._max_age
        for used_at, _, path in _stats(self._folder, "*.npy"):
            if used_at < oldest:
                path.unlink(missing_ok=True)

    def keep_expiring(self, seconds: float = EXPIRE_SECONDS) -> None:
        """Call `expire` every so many seconds, in a thread, as long as the process lives."""

        def work() -> None:
            while True:
                time.sleep(seconds)
                self.expire()

        threading.Thread(target=work, name="audio-cache", daemon=True).start()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npy"

    def _evict(self, max_bytes: int) -> None:
        files = sorted(_stats(self._folder, "*.npy"))
        excess = sum(size for _, size, _ in files) + _at_work(self._folder) - max_bytes
        for _, size, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock against concurrent sweeps, from the creation of a folder until it is locked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lock(folder: Path) -> int:
    """Lock a process's folder until the handle is closed, at the latest when the process ends; BlockingIOError when taken."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _leave(folder: Path, handle: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(handle)


def _sweep(folder: Path) -> None:
    for path in folder.glob(f"{_WORK}*"):
        with contextlib.suppress(OSError):  # its process lives, or just left
            _leave(path, _lock(path))


def _at_work(folder: Path) -> int:
    """Bytes of the working files of all processes' jobs on disk."""
    size = 0
    for work in folder.glob(f"{_WORK}*"):
        for inner, _, names in os.walk(work):  # passes over what vanishes meanwhile
            for name in names:
                with contextlib.suppress(OSError):
                    size += Path(inner, name).stat().st_size
    return size


def _stats(folder: Path, pattern: str) -> list[tuple[float, int, Path]]:
    """The last use, size and path of each file; files may vanish meanwhile."""
    found = []
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            stat = path.stat()
            found.append((stat.st_mtime, stat.st_size, path))
    return found
