"""The local cache of decoded recordings."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.audio_cache import STALE_SECONDS, AudioCache


def maker(value: float, count: int = 1000):  # type: ignore[no-untyped-def]
    def make(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, np.full((count, 1), value, np.float32))

    return make


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


def test_a_recording_larger_than_the_cache_still_works(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, 0)
    assert float(cache.add("a", maker(1.0)).sum()) == 1000.0
    assert cache.get("a") is None


def test_failures_leave_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        AudioCache(tmp_path, 10**6).add("a", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY nonsense")
    assert AudioCache(tmp_path, 10**6).get("a") is None


def test_leftovers_of_dead_processes_are_swept(tmp_path: Path) -> None:
    """Old ones only: another process may be at work."""
    old, new = tmp_path / "x.part", tmp_path / "y.part"
    old.write_bytes(b"")
    new.write_bytes(b"")
    (tmp_path / "job-old").mkdir()
    before = time.time() - STALE_SECONDS - 10
    for path in (old, tmp_path / "job-old"):
        os.utime(path, (before, before))
    AudioCache(tmp_path, 10**6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y.part"]


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
    with AudioCache(tmp_path, 10**6).folder() as folder:
        (folder / "recording").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []
