"""Suggestion of the nearest known word for an unknown one. Pure."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

MAX_WORD_CHARS = 64
MAX_LISTED = 12


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The most similar known word, ignoring case; None when none is similar."""
    names = {name.casefold(): name for name in known}
    asked = word[:MAX_WORD_CHARS].casefold()
    # `he-IL` and `large_v3.bin` begin with what was meant
    begins = re.split(r"[^\w]", asked)[0]
    found = get_close_matches(asked, names, n=1) or get_close_matches(begins, names, n=1, cutoff=0.9)
    return names[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """The ending of a message about an unknown word: `; did you mean …?`, or nothing."""
    found = nearest(word, known)
    return f"; did you mean `{found}`?" if found else ""


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """A message such as: unknown field `langauge`; did you mean `language`? Without a similar one it lists all."""
    names = list(known)
    listed = (
        f"; there {'are' if len(names) > 1 else 'is only'} {', '.join(names)}" if 0 < len(names) <= MAX_LISTED else ""
    )
    return f"unknown {kind} `{word[:MAX_WORD_CHARS]}`{hint(word, names) or listed}"
