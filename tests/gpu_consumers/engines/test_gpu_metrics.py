"""What is told of a GPU, and by whom: a stand-in for torch, since few machines have the device."""

import sys
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from gpu_consumers.engines.libraries.gpu_metrics import watch_gpu
from schemas import metrics


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"scribe_rabbit_{name}", {"device": "0", **labels})


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    for gauge in (metrics.GPU_MEMORY, metrics.GPU_USE):
        gauge.clear()


def refuse(*_: int) -> int:
    raise RuntimeError("no driver")


def test_without_a_gpu_there_are_no_series() -> None:
    assert told("gpu_memory_bytes", state="used") is None
    assert told("gpu_use_ratio") is None


def test_memory_and_use_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(mem_get_info=lambda _: (3_000, 10_000), utilization=lambda _: 40)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    watch_gpu()
    assert (told("gpu_memory_bytes", state="used"), told("gpu_memory_bytes", state="all")) == (7_000, 10_000)
    assert told("gpu_use_ratio") == 0.4


def test_what_the_driver_does_not_tell_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others are told."""
    cuda = SimpleNamespace(mem_get_info=lambda _: (0, 10_000), utilization=refuse)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    watch_gpu()
    use = told("gpu_use_ratio")
    assert use is not None
    assert use != use
    assert told("gpu_memory_bytes", state="used") == 10_000


def test_torch_is_not_imported_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    watch_gpu()
    used = told("gpu_memory_bytes", state="used")
    assert used is not None
    assert used != used
    assert "torch" not in sys.modules
