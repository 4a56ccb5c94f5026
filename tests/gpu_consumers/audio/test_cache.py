"""The local cache of decoded recordings."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.audio.cache import PATIENCE_SECONDS, AudioCache
from schemas.errors import Outage, Transient


def maker(value: float, count: int = 1000):  # type: ignore[no-untyped-def]
    def make(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, np.full((count, 1), value, np.float32))

    return make


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_was_added_is_found_by_every_process(tmp_path: Path) -> None:
    AudioCache(tmp_path, 10**6).add("a", maker(0.5))
    found = AudioCache(tmp_path, 10**6).get("a")
    assert found is not None
    assert found.shape == (1000, 1)
    assert found[0, 0] == 0.5
    assert AudioCache(tmp_path, 10**6).get("b") is None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    """Reading counts as use; what is mapped stays readable after its file is gone."""
    cache = AudioCache(tmp_path, 9_000)
    first = cache.add("a", maker(1.0))
    cache.add("b", maker(2.0))
    os.utime(tmp_path / "a.npy", (1, 1))
    os.utime(tmp_path / "b.npy", (2, 2))
    cache.get("a")
    cache.add("c", maker(3.0))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.add("d", maker(4.0, count=2200))
    assert cache.get("a") is None
    assert float(first.sum()) == 1000.0


def test_what_nobody_uses_any_more_is_forgotten(tmp_path: Path) -> None:
    """By the next look of this process, and by the next process that starts."""
    cache = AudioCache(tmp_path, 10**6, max_age_seconds=60)
    for key in ("old", "new"):
        cache.add(key, maker(1.0))
    os.utime(tmp_path / "old.npy", (1, 1))
    cache.expire()
    assert (cache.get("old"), cache.get("new") is not None) == (None, True)
    os.utime(tmp_path / "new.npy", (1, 1))
    assert AudioCache(tmp_path, 10**6, max_age_seconds=60).get("new") is None


def test_a_recording_larger_than_the_cache_still_works(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, 0)
    assert float(cache.add("a", maker(1.0)).sum()) == 1000.0
    assert cache.get("a") is None


def test_failures_leave_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("broken")

    cache = AudioCache(tmp_path, 10**6)
    with pytest.raises(ValueError, match="broken"):
        cache.add("a", fail)
    assert files_in(tmp_path) == []


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY nonsense")
    assert AudioCache(tmp_path, 10**6).get("a") is None


DIES = """
import os, signal, sys
from pathlib import Path
from gpu_consumers.audio.cache import AudioCache
def make(path):
    path.write_bytes(b"half")
    print("at work", flush=True)
    os.read(0, 1)
cache = AudioCache(Path(sys.argv[1]), 10**6)
with cache.folder() as folder:
    (folder / "recording").write_bytes(b"x")
    cache.add("a", make)
"""


def test_what_a_killed_process_left_is_swept_at_once(tmp_path: Path) -> None:
    """And nothing of one that lives."""
    with subprocess.Popen(
        [sys.executable, "-c", DIES, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        assert len(files_in(tmp_path)) == 2
        AudioCache(tmp_path, 10**6)
        assert len(files_in(tmp_path)) == 2
        process.kill()
    AudioCache(tmp_path, 10**6)
    assert list(tmp_path.iterdir()) == []


def test_work_in_progress_counts(tmp_path: Path) -> None:
    """Of every process that shares the folder."""
    cache, other = AudioCache(tmp_path, 10_000), AudioCache(tmp_path, 10_000)
    cache.add("a", maker(1.0))
    with other.folder() as folder:
        (folder / "recording").write_bytes(bytes(5000))
        cache.add("b", maker(2.0))
        assert cache.get("a") is None
        assert cache.get("b") is not None


def fill(cache: AudioCache, number: int = errno.ENOSPC) -> None:
    with cache.folder():
        raise OSError(number, "as a disk does")


def test_a_full_disk_is_an_outage_for_a_while(tmp_path: Path) -> None:
    """What is only kept for later goes; a job that never finds room ends as any other that fails again and again."""
    times = [0.0]
    cache = AudioCache(tmp_path, 10**6, lambda: times[0])
    cache.add("a", maker(1.0))
    with pytest.raises(Outage):
        fill(cache)
    assert files_in(tmp_path) == []
    times[0] = PATIENCE_SECONDS - 1
    with pytest.raises(Outage):
        fill(cache, errno.EDQUOT)
    times[0] = PATIENCE_SECONDS
    with ThreadPoolExecutor(1) as pool, pytest.raises(Outage):  # another job has patience of its own
        pool.submit(fill, cache).result()
    with pytest.raises(Transient, match="full"):
        fill(cache)
    with pytest.raises(Outage):
        fill(cache)


def test_patience_is_anew_after_a_job_that_found_room(tmp_path: Path) -> None:
    times = [0.0]
    cache = AudioCache(tmp_path, 10**6, lambda: times[0])
    with pytest.raises(Outage):
        fill(cache)
    with cache.folder():
        times[0] = 2 * PATIENCE_SECONDS
    with pytest.raises(Outage):
        fill(cache)


def test_other_errors_are_not_the_disks(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        fill(AudioCache(tmp_path, 10**6), errno.EACCES)


def test_many_threads_share_it(tmp_path: Path) -> None:
    """The same key from many threads at once, in a cache too small for all: everybody gets what was asked for."""
    cache = AudioCache(tmp_path, 10_000)

    def work(number: int) -> bool:
        key = number % 5
        found = cache.get(str(key))
        samples = cache.add(str(key), maker(float(key))) if found is None else found
        return bool((samples == key).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))


def test_a_jobs_folder_is_gone_afterwards(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, 10**6)
    with cache.folder() as folder:
        (folder / "recording").write_bytes(b"x")
    assert not folder.exists()
    assert files_in(tmp_path) == []
