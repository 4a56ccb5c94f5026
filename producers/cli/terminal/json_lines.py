"""Output format of `--json`: one object a line, with REST's names, and times in RFC 3339 and UTC."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from producers.messages.plain_text import DIRECTION_MARKS

_OBEYED = re.compile(f"[\x7f-\x9f{''.join(sorted(DIRECTION_MARKS))}]")


def print_json(value: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> None:
    """Print one object on a line; a list with one line for each, and none when it is empty."""
    rows = [value] if isinstance(value, Mapping) else value
    sys.stdout.write("".join(f"{json_text(row)}\n" for row in rows))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON that is safe to show on a terminal: JSON itself escapes only some control characters of terminals."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    if not _printable(text):
        text = json.dumps(value, indent=indent, default=_plain)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _printable(text: str) -> bool:
    """Whether the output's encoding can represent a text; if not, JSON can escape it."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def time_text(at: datetime) -> str:
    """A time in the format of REST, such as `2026-01-31T12:00:00.250000Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
