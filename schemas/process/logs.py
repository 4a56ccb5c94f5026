"""JSON logs on stdout, one object per line: structlog and the standard library's loggers through one renderer.

For processes whose stdout is their log; a command whose stdout is data does not configure logging.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from schemas.metrics import LOG_LINES
from schemas.process.log_line import BOUND
from schemas.settings.loading import warn_of_unknown_variables
from schemas.settings.service import ServiceSettings

# what `bound` may carry, and libraries beside their text; anything else, above all transcripts, has no place in a log
FIELDS = BOUND
_FIELD_NAMES = frozenset(FIELDS)

# what cloud loggers call text, level and time; a level in capital letters is a name of theirs
NAMES: dict[str, dict[str, str]] = {
    "plain": {},
    "gcp": {"event": "message", "level": "severity", "timestamp": "time", "exception": "stack_trace"},
    "aws": {"event": "message"},
    "datadog": {"event": "message", "level": "status"},
}
_CAPITALS = ("gcp", "aws")

LEVELS = ("debug", "info", "warning", "error", "critical")

# libraries that tell of every call they make, addresses included
CHATTY = ("httpx", "httpx2", "httpcore", "botocore", "urllib3", "faster_whisper")


def configure(settings: ServiceSettings, process: str) -> None:
    """Set up logging of a process once, at its start."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _named(process),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _counted,
    ]
    rendering: list[structlog.typing.Processor] = (
        [_renamed(settings.log_fields), structlog.processors.JSONRenderer(ensure_ascii=False)]
        if settings.log_format == "json"
        else [structlog.dev.ConsoleRenderer()]
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    warn_of_unknown_variables()


def _counted(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Count the line by its level; one that a library made up counts as the next lower of the known ones."""
    level = str(event.get("level"))
    if level not in LEVELS:
        record = event.get("_record")
        level = level_of(record.levelno if isinstance(record, logging.LogRecord) else logging.INFO)
        event["level"] = level
    LOG_LINES.labels(level).inc()
    return event


def level_of(number: int) -> str:
    """The name of the highest known level that is not above a number."""
    known = [name for name in LEVELS if logging.getLevelName(name.upper()) <= number]
    return known[-1] if known else LEVELS[0]


def _renamed(fields: str) -> structlog.typing.Processor:
    """Rename fields to the names that cloud loggers expect."""

    def rename(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if fields in _CAPITALS:
            event["level"] = str(event["level"]).upper()
        return {NAMES[fields].get(name, name): value for name, value in event.items()}

    return rename


def _named(process: str) -> structlog.typing.Processor:
    """Add the process name to every line; context variables would not reach its other threads."""

    def add(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "process": process}

    return add


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to every log line within the block; only names from FIELDS."""
    if unknown := fields.keys() - _FIELD_NAMES:
        raise ValueError(f"not log fields: {sorted(unknown)}")
    known = {name: value for name, value in fields.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**known):
        yield
