"""Spans: the steps of a job in each process, told to a collector; without one nothing is imported and nothing made.

Each span continues the trace of what it works on, and what it writes continues the span, so a job is one trace from its
request to its webhook; where a record or a row may have waited for long, the span is linked to its cause as well.
"""

import atexit
import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol, cast

from schemas.wire.headers import trace_id
from schemas.wire.trace_context import TraceContext, current, within

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Value = str | int | float | bool


class Span(Protocol):
    """A step in progress."""

    def set(self, name: str, value: Value) -> None:
        """Note a fact of it, by a name of sink.process.span_names."""

    def rename(self, name: str) -> None:
        """Give it another name, of those few that spans have."""

    def fail(self, error_type: str) -> None:
        """Note that it failed: by a code or the name of a class, never the words of an error."""


class Tracer(Protocol):
    """The maker of spans while there is a collector."""

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Value], began: float | None
    ) -> AbstractContextManager[Span]:
        """A span while the block runs; `began`: the time (Unix) at which it began before that."""

    def stop(self) -> None:
        """Tell the collector what it was not told yet, within seconds."""


class _NoSpan:
    def set(self, name: str, value: Value) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass


NO_SPAN: Span = _NoSpan()
_tracer: Tracer | None = None


def start(endpoint: str, process: str, version: str) -> None:
    """Make spans from now on; OpenTelemetry's own variables (OTEL_…) say how many and with which headers."""
    global _tracer
    # imported here: whoever has no collector does not hold the library
    found = importlib.import_module("sink.process.otlp")
    _tracer = cast(Tracer, found.OtlpTracer(endpoint, process, version))
    atexit.register(stop)


def stop() -> None:
    """Make no more spans, and tell the collector what it was not told yet."""
    global _tracer
    tracer, _tracer = _tracer, None
    if tracer is not None:
        tracer.stop()


def is_on() -> bool:
    """Whether there is a collector."""
    return _tracer is not None


@contextmanager
def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    attributes: Mapping[str, Value] | None = None,
    began: float | None = None,
) -> Iterator[Span]:
    """A step while the block runs: of the trace of `parent` (a traceparent), else of what the task works on."""
    if _tracer is not None:
        with _tracer.span(name, kind, parent or _here(), attributes or {}, began) as made:
            yield made
    elif trace_id(parent) is None:
        yield NO_SPAN
    else:
        with within(TraceContext(str(parent))):
            yield NO_SPAN


def _here() -> str | None:
    here = current()
    return None if here is None else here.traceparent
