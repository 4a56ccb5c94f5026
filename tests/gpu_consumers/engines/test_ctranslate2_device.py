"""Threads of CTranslate2's workers on a CPU."""

import os

import pytest

from gpu_consumers.engines.libraries.ctranslate2_device import threads_for


@pytest.mark.parametrize(
    ("processors", "workers", "threads"),
    [(1, 2, 1), (2, 1, 2), (2, 2, 2), (4, 4, 4), (16, 2, 8), (64, 16, 4), (None, 1, 1)],
)
def test_a_worker_that_is_alone_has_more_than_its_share_of_a_small_machine(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, workers: int, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert threads_for(workers) == threads
