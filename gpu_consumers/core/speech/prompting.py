"""Hotwords and prompts cut to the model's limit together: whole words, and a warning with their number. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

Tokens = Callable[[str], int]
"""Counts the tokens that a model makes of a text."""

# words stand between blanks, and entries of a list of names between commas, which may hold blanks
_ENTRIES = re.compile(r"[^,;\n]+[,;\n]*")
_WORDS = re.compile(r"\s*\S+\s*")
NAME_WORDS = 8  # an entry of more is no name but a list without commas
_AROUND = " \t\r\n,;"  # what stands around a list and is no part of it


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


def sharing(hotwords: str, prompt: str, limit: int, tokens: Tokens) -> tuple[Fitting, Fitting]:
    """Hotwords and prompt of at most `limit` tokens together: each has half, and what the other one leaves."""
    half = limit // 2
    first = fitting_start(hotwords, max(half, limit - tokens(prompt.strip())), tokens)
    # as Whisper does: the end of a prompt counts
    return first, fitting_end(prompt, max(half, limit - tokens(first.text)), tokens)


def fitting_start(text: str, limit: int, tokens: Tokens) -> Fitting:
    """The first entries of a list of at most `limit` tokens together, or words of what is no name."""
    parts = [part for entry in _ENTRIES.findall(text.strip(_AROUND)) for part in _entry(entry, limit, tokens)]
    return _most(parts, limit, tokens, lambda n: "".join(parts[:n]).strip(_AROUND))


def _entry(entry: str, limit: int, tokens: Tokens) -> list[str]:
    words = _WORDS.findall(entry)
    return [entry] if len(words) <= NAME_WORDS and tokens(entry.strip(_AROUND)) <= limit else words


def fitting_end(text: str, limit: int, tokens: Tokens) -> Fitting:
    """The last words of a text, of at most `limit` tokens together."""
    parts = _WORDS.findall(text)
    return _most(parts, limit, tokens, lambda n: "".join(parts[len(parts) - n :]).strip())


def _most(parts: list[str], limit: int, tokens: Tokens, joined: Callable[[int], str]) -> Fitting:
    """The largest number of parts that fits, by binary search, since more parts never make fewer tokens."""
    low, high = 0, len(parts)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens(joined(middle)) <= limit:
            low = middle
        else:
            high = middle - 1
    return Fitting(joined(low), low, len(parts))
