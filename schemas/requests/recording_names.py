"""Recording names from untrusted input, made safe to show, store and download under. Pure."""

import unicodedata
from urllib.parse import unquote

from schemas.events import without_query

MAX_NAME_BYTES = 255
"""As long as a file's name may be nearly everywhere, in UTF-8."""
_WITH_PATHS = frozenset({"http", "https", "s3"})
_JOINERS = "\u200c\u200d"  # parts of words in Persian and of emoji: the only invisible marks that a name needs


def safe_name(text: str) -> str | None:
    """The last part of a path of any operating system, None when nothing is left of it.

    In NFC, on one line, without control characters and marks that change how the rest is shown, in 255 bytes at most.
    """
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(" " if c.isspace() else c for c in last if c.isspace() or _is_shown(c))
    name = _cut(unicodedata.normalize("NFC", " ".join(shown.split())))
    return name if name.strip(".") else None


def recording_name(uri: str, name: str | None = None) -> str | None:
    """The display name of a recording: its own name, else the last part of its address; None for unnamed uploads."""
    if name is not None and (own := safe_name(name)):
        return own
    scheme, _, rest = without_query(uri).partition("://")
    if scheme.lower() not in _WITH_PATHS:
        return None
    return safe_name(unquote(rest.partition("/")[2].rstrip("/").rpartition("/")[2]))


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs") or character in _JOINERS


def _cut(name: str) -> str:
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore").rstrip()
