"""Text of strangers made safe for a line of a file or a terminal. Pure."""

import unicodedata


def one_line(text: str) -> str:
    """Text safe for a line of a file or a terminal: white space joined, control characters dropped."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text without control characters, which terminals obey."""
    return "".join(c for c in text if unicodedata.category(c) != "Cc")
