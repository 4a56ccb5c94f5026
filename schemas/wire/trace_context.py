"""The W3C trace context in which a task or thread works: headers of what it writes continue it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A traceparent; `exported`: its span is one that a collector is told of, so others can name it as their parent."""

    traceparent: str
    exported: bool = False


_CURRENT: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)


def current() -> TraceContext | None:
    """The context of this task, None outside of any."""
    return _CURRENT.get()


def current_traceparent() -> str | None:
    """Its traceparent."""
    found = _CURRENT.get()
    return None if found is None else found.traceparent


@contextmanager
def within(context: TraceContext | None) -> Iterator[None]:
    """Work in a context while the block runs; None: in none."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)
