"""Sanitization of values for PostgreSQL and JSON: untrusted text may contain NUL, and numbers may be infinite."""

import math
import re
from typing import Any

_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def sanitize_text(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def sanitize_for_postgres(value: Any) -> Any:
    """A JSON value with storable text in it, and null for numbers that are not finite."""
    match value:
        case str():
            return sanitize_text(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {sanitize_text(name): sanitize_for_postgres(item) for name, item in value.items()}
        case list() | tuple():
            return [sanitize_for_postgres(item) for item in value]
        case _:
            return value
