"""Hotwords and prompts cut to the model's limit: whole words, and a warning with their number. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

Tokens = Callable[[str], int]
"""Counts the tokens that a model makes of a text."""

# words stand between blanks, and entries of a list of names between commas, which may hold blanks
_ENTRIES = re.compile(r"[^,;\n]+[,;\n]*")
_WORDS = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class Fitting:
    """The part of a text within the model's limit: `taken` of `given` entries or words."""

    text: str
    taken: int
    given: int

    def warnings(self, name: str) -> tuple[str, ...]:
        """The warning for a reader that words were left out, if any were."""
        if self.taken == self.given:
            return ()
        return (f"{self.taken} of {self.given} words of {name} were used, more the model cannot hold",)


def fitting_start(text: str, limit: int, tokens: Tokens) -> Fitting:
    """The first entries of a list, or words of a text without commas, of at most `limit` tokens together."""
    parts = (_ENTRIES if re.search("[,;\n]", text) else _WORDS).findall(text)
    count = _most(parts, limit, tokens, lambda n: "".join(parts[:n]))
    return (
        Fitting("".join(parts[:count]).strip(" ,;\n"), count, len(parts)) if count < len(parts) else _whole(text, parts)
    )


def fitting_end(text: str, limit: int, tokens: Tokens) -> Fitting:
    """The last words of a text, of at most `limit` tokens together."""
    parts = _WORDS.findall(text)
    count = _most(parts, limit, tokens, lambda n: "".join(parts[len(parts) - n :]))
    return (
        Fitting("".join(parts[len(parts) - count :]).strip(), count, len(parts))
        if count < len(parts)
        else _whole(text, parts)
    )


def _whole(text: str, parts: list[str]) -> Fitting:
    return Fitting(text, len(parts), len(parts))


def _most(parts: list[str], limit: int, tokens: Tokens, joined: Callable[[int], str]) -> int:
    """The largest number of parts that fits, by binary search, since more parts never make fewer tokens."""
    low, high = 0, len(parts)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens(joined(middle)) <= limit:
            low = middle
        else:
            high = middle - 1
    return low
