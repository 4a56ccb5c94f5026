"""Metrics of waiting work in a process: one gauge per group and reason, set to 0 again when nothing waits."""

from collections.abc import Iterable
from threading import Lock

from prometheus_client import Gauge

from schemas.metrics import GATES_CLOSED, JOBS_WAITING
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import WaitReport

Key = tuple[str, WaitReason]


class _Shown:
    """The values of one gauge, and all labels that it has had so far."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._labels: set[Key] = set()

    def show(self, values: Iterable[tuple[Key, int]]) -> None:
        found: dict[Key, int] = dict.fromkeys(self._labels, 0)
        for key, number in values:
            found[key] = found.get(key, 0) + number
        self._labels |= found.keys()
        for (group, reason), number in found.items():
            self._gauge.labels(group=group, reason=reason).set(number)

    def forget(self) -> None:
        self._labels.clear()
        self._gauge.clear()


_LOCK = Lock()  # probes are answered by several threads
_WAITING, _CLOSED = _Shown(JOBS_WAITING), _Shown(GATES_CLOSED)


def export(report: WaitReport) -> None:
    """Set the gauges to the current report of the process."""
    with _LOCK:
        _WAITING.show(((each.group, each.reason), each.jobs) for each in report.waiting)
        _CLOSED.show(((each.group, each.reason), each.gates) for each in report.closed)


def forget() -> None:
    """Take the values from the gauges, because what waits is not known: 0 would be a claim."""
    with _LOCK:
        _WAITING.forget()
        _CLOSED.forget()
