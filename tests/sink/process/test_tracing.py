"""Spans: one trace from cause to effect, told to a real collector; nothing without one."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from schemas.wire.headers import new_traceparent, next_traceparent, trace_id
from schemas.wire.trace_context import current, current_traceparent
from sink.process import tracing
from tests.collector import Collector

CLIENT, CONSUMER = 3, 5


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        tracing.start(found.endpoint, "test", "1")
        yield found
        tracing.stop()


def test_what_is_written_within_a_span_continues_it(collector: Collector) -> None:
    """The header names the span itself, so that whoever reads it has a parent that exists."""
    cause = new_traceparent()
    with tracing.span("process jobs", "consumer", parent=cause, attributes={"scribe.attempt": 2}):
        header = next_traceparent(cause)
        with tracing.span("transcribe"):
            pass
    tracing.stop()
    inner, outer = collector.spans
    assert outer.attributes == {"scribe.attempt": 2}
    assert {outer.trace_id, inner.trace_id, trace_id(header)} == {trace_id(cause)}
    assert (inner.parent_id, header.split("-")[2]) == (outer.span_id, outer.span_id)
    assert (outer.kind, outer.parent_id, outer.links) == (CONSUMER, cause.split("-")[2], (cause.split("-")[2],))
    assert current() is None


def test_an_error_is_told_by_its_name_and_never_by_its_words(collector: Collector) -> None:
    with pytest.raises(ValueError, match="secret"), tracing.span("x", "client"):
        raise ValueError("a secret in the words of an error")
    tracing.stop()
    (span,) = collector.spans
    assert (span.failed, span.attributes["error.type"]) == (True, "ValueError")
    assert "secret" not in span.raw


@pytest.mark.parametrize("strange", ["00-" + "a" * 32 + "-zz-01", "x-" + "a" * 32 + "-0-zz", "nonsense", ""])
def test_a_strange_header_never_fails_a_job(collector: Collector, strange: str) -> None:
    """What of it names a trace is kept."""
    with tracing.span("x", "consumer", parent=strange):
        header = next_traceparent(strange)
    tracing.stop()
    (span,) = collector.spans
    assert span.trace_id == trace_id(header)
    assert trace_id(strange) in (None, span.trace_id)


def test_what_the_client_does_not_sample_is_not_told(collector: Collector) -> None:
    with tracing.span("x", "server", parent=new_traceparent()[:-2] + "00"):
        assert str(current_traceparent()).endswith("-00")
    tracing.stop()
    assert collector.spans == []


def test_a_collector_that_refuses_costs_spans_and_nothing_else() -> None:
    before = REGISTRY.get_sample_value("scribe_rabbit_spans_dropped_total") or 0
    with Collector(status=400) as refusing:
        tracing.start(refusing.endpoint, "test", "1")
        with tracing.span("x"):
            pass
        tracing.stop()
    assert REGISTRY.get_sample_value("scribe_rabbit_spans_dropped_total") == before + 1


def test_without_a_collector_the_trace_goes_on_by_headers_alone() -> None:
    """As it does in logs."""
    cause = new_traceparent()
    with tracing.span("x", "consumer", parent=cause):
        assert current_traceparent() == cause
        header = next_traceparent(None)
        assert next_traceparent(cause) != cause
    assert trace_id(header) == trace_id(cause)
    with tracing.span("x"):
        assert current() is None


def test_without_a_collector_the_library_is_not_held() -> None:
    code = (
        "import sys; from schemas.settings.service import ServiceSettings; from sink.process.observation import observe;"
        "observe(ServiceSettings(), 'test'); assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
