"""Untrusted text made safe for a line of a file or a terminal. Pure."""

import unicodedata

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Text in Hebrew or Arabic is turned without them; with them `gpj.exe` is shown as another name."""


def one_line(text: str) -> str:
    """Text safe for a line of a file or a terminal: white space joined, control characters dropped."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text without control characters, which terminals obey, and without marks that change its direction."""
    return "".join(c for c in text if unicodedata.category(c) != "Cc" and c not in DIRECTION_MARKS)
