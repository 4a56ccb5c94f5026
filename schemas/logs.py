"""One JSON object a line: structlog and the standard library's loggers through the same renderer."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from schemas.settings import ServiceSettings, warn_of_unknown_variables

# what `bound` may carry; anything else, above all text of transcripts, has no place in a log
FIELDS = ("job_id", "tenant", "topic", "partition", "offset", "attempt", "trace_id")

# libraries that tell of every call they make, addresses included
CHATTY = ("httpx", "httpx2", "httpcore", "botocore", "urllib3", "faster_whisper")


def configure(settings: ServiceSettings, process: str) -> None:
    """Set up logging of a process once, at its start."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _named(process),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _uncoloured,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    warn_of_unknown_variables()


def _uncoloured(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Without the second message that uvicorn writes for terminals."""
    event.pop("color_message", None)
    return event


def _named(process: str) -> structlog.typing.Processor:
    """Name the process in every line; context variables would not reach its other threads."""

    def add(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "process": process}

    return add


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to every log line within; only names from FIELDS."""
    unknown = fields.keys() - set(FIELDS)
    if unknown:
        raise ValueError(f"not log fields: {sorted(unknown)}")
    with structlog.contextvars.bound_contextvars(**fields):
        yield
