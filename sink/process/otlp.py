"""Spans over OTLP/HTTP by OpenTelemetry's SDK; the one module that knows it."""

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from schemas.metrics import SPANS_DROPPED
from schemas.wire.headers import trace_id
from schemas.wire.trace_context import TraceContext, within
from sink.process import span_names
from sink.process.tracing import Kind, Value

EXPORT_SECONDS = 3.0  # that the collector may take for a batch; what it does not take then is dropped
STOP_SECONDS = 4.0  # that the end of the process waits for it
KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
LINKED = (SpanKind.CONSUMER, SpanKind.CLIENT)
"""Kinds whose cause may lie hours back: a parent that far away is lost in most views, so they link to it too."""


class CountingExporter(SpanExporter):
    """Exports by another exporter, and counts what is lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            SPANS_DROPPED.inc(len(spans))
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()


class OtlpSpan:
    """See sink.process.tracing.Span."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, name: str, value: Value) -> None:
        """See Span."""
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        """See Span."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """See Span."""
        self._span.set_attribute(span_names.ERROR_TYPE, error_type)
        self._span.set_status(Status(StatusCode.ERROR))


class OtlpTracer:
    """See sink.process.tracing.Tracer."""

    def __init__(self, endpoint: str, process: str, version: str) -> None:
        # it logs a line, with an address, for each batch that a collector does not take; the metric counts them
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        resource = Resource.create(
            {
                span_names.SERVICE_NAME: f"scribe-rabbit-{process.removeprefix('scribe').strip('.-') or process}",
                span_names.SERVICE_VERSION: version,
                span_names.SERVICE_INSTANCE: secrets.token_hex(8),
            }
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(CountingExporter(exporter)))
        self._tracer = self._provider.get_tracer("scribe-rabbit", version)

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Value], began: float | None
    ) -> Iterator[OtlpSpan]:
        """See Tracer."""
        cause = _context_of(parent)
        made = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(NonRecordingSpan(cause)) if cause else trace.set_span_in_context(_ROOT),
            kind=KINDS[kind],
            attributes=dict(attributes),
            links=[Link(cause)] if cause and KINDS[kind] in LINKED else (),
            start_time=None if began is None else int(began * 1e9),
        )
        span = OtlpSpan(made)
        try:
            with within(TraceContext(_traceparent(made.get_span_context()), exported=True)):
                yield span
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        finally:
            made.end(int(time.time() * 1e9))

    def stop(self) -> None:
        """See Tracer; a collector that hangs does not keep the process."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)


_ROOT = NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)


def _context_of(traceparent: str | None) -> SpanContext | None:
    """The context that a traceparent names, None when it names no trace."""
    if traceparent is None or (trace_name := trace_id(traceparent)) is None:
        return None
    _, _, span_name, flags = traceparent.split("-")
    try:
        span_number, sampled = int(span_name, 16), int(flags, 16)
    except ValueError:  # whoever wrote it knew the trace only
        span_number, sampled = 0, 1
    span_number = span_number if 0 < span_number < 1 << 64 else secrets.randbits(63) + 1
    return SpanContext(int(trace_name, 16), span_number, is_remote=True, trace_flags=TraceFlags(sampled & 1))


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
