"""A process of the service as it would be without metrics, logs and traces: `python -m tests.bench.unobserved MODULE …`.

Whatever counts, writes a line or makes a span does nothing. For comparison only: nobody can see what it does.
"""

import logging
import runpy
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prometheus_client import metrics

from schemas.process import logs
from sink.process import tracing


class _Nothing:
    """A metric that counts nothing; as a context it measures nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self

    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def blind() -> None:
    """From now on nothing is counted, logged or traced."""
    nothing = _Nothing()
    for kind in (metrics.Counter, metrics.Gauge, metrics.Histogram):
        for name in ("labels", "inc", "dec", "set", "observe", "time", "set_function", "track_inprogress"):
            if hasattr(kind, name):
                setattr(kind, name, lambda *_, **__: nothing)
    logging.disable(logging.CRITICAL)

    def unbound(**_: object) -> AbstractContextManager[None]:
        return nullcontext()

    def untraced(*_: object, **__: object) -> AbstractContextManager[tracing.Span]:
        return nullcontext(tracing.NO_SPAN)

    logs.bound = unbound  # type: ignore[assignment]
    tracing.span = untraced  # type: ignore[assignment]


if __name__ == "__main__":
    blind()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
