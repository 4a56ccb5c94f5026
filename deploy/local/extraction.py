"""Summaries made of a recording's own sentences, and entities found by patterns, without a language model.

TextRank (Mihalcea and Tarau, 2004) chooses the sentences; regular expressions find what looks like a date, an amount or
a name, in English and in part in Hebrew. What they do not know they do not find, and capitals deceive them.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SENTENCES = 3
DAMPING = 0.85
ROUNDS = 30
BLOCK = 200  # sentences ranked at once; of longer texts the best of each block are ranked again
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_DIGITS = "zero|one|two|three|four|five|six|seven|eight|nine|אפס|אחת|שתיים|שלוש|ארבע|חמש|שש|שבע|שמונה|תשע"
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
# fmt: off
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email",  re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]*\w")),
    ("date",   re.compile(r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b")),
    ("date",   re.compile(rf"\b(?:{_MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?\b|\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTHS})\b", re.IGNORECASE)),
    ("date",   re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\btoday\b|\btomorrow\b|\byesterday\b|\bהיום\b|\bמחר\b|\bיום (?:ראשון|שני|שלישי|רביעי|חמישי|שישי)\b", re.IGNORECASE)),
    ("time",   re.compile(r"\b\d{1,2}:\d{2}\b|\b\d{1,2}(?: o'clock|\s?[ap]\.?m\b)", re.IGNORECASE)),
    ("money",  re.compile(r"[$€£₪]\s?\d[\d,.]*\d|[$€£₪]\s?\d|\b\d[\d,.]*\s?(?:dollars|euros|pounds|shekels|שקל(?:ים)?)\b", re.IGNORECASE)),
    ("phone",  re.compile(r"(?<!\w)\+?\d(?:[ -]?\d){6,14}\b")),
    ("number", re.compile(rf"\b(?:(?:{_DIGITS})\b\s?){{3,}}|\b\d[\d -]{{3,}}\d\b", re.IGNORECASE)),
    ("person", re.compile(r"(?<=\bthis is )\w+|(?<=\bmorning )\w+|(?<=\bthank you )(?!very)\w+|(?<=\bמדבר )\w+|(?<=\bמדברת )\w+", re.IGNORECASE)),
    ("name",   re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of speech with its number; times in seconds if they are known."""

    number: int
    text: str
    start: float | None = None
    end: float | None = None


def summary_of(lines: Sequence[Line], sentences: int = SENTENCES) -> str:
    """The sentences that have most in common with all others, in the order in which they were spoken."""
    parts = (part.strip(" .") for line in lines for part in _SENTENCE.split(line.text))
    said = list(dict.fromkeys(part for part in parts if part))
    return " ".join(f"{text}." for text in _chosen(said, sentences))


def entities_of(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """The entities that the patterns find, with their line numbers; where two overlap, the earlier pattern wins."""
    found = []
    for line in lines:
        taken: list[range] = []
        for kind, pattern in PATTERNS:
            for match in pattern.finditer(line.text):
                if not any(match.start() < other.stop and other.start < match.end() for other in taken):
                    taken.append(range(*match.span()))
                    found.append({"quote": match[0].strip(), "kind": kind, "line": line.number})
    return found


def words(text: str) -> list[str]:
    """The words of a text, which are the tokens of this service."""
    return _WORD.findall(text.lower())


def _chosen(said: list[str], sentences: int) -> list[str]:
    while len(said) > BLOCK:
        blocks = [said[place : place + BLOCK] for place in range(0, len(said), BLOCK)]
        said = [text for block in blocks for text in _best(block, BLOCK // 4)]
    return _best(said, sentences)


def _best(said: Sequence[str], most: int) -> list[str]:
    ranks = _ranks(said)
    best = sorted(range(len(said)), key=lambda n: -ranks[n])[:most]
    return [said[n] for n in sorted(best)]


def _ranks(said: Sequence[str]) -> list[float]:
    """PageRank over sentences; an edge weighs how many words two of them share."""
    bags = [set(words(text)) for text in said]
    weights = [[_shared(a, b) if i != j else 0.0 for j, b in enumerate(bags)] for i, a in enumerate(bags)]
    sums = [sum(row) or 1.0 for row in weights]
    shares = [[(j, w / sums[j]) for j, w in enumerate(row) if w] for row in weights]
    ranks = [1.0] * len(said)
    for _ in range(ROUNDS):
        ranks = [(1 - DAMPING) + DAMPING * sum(ranks[j] * share for j, share in row) for row in shares]
    return ranks


def _shared(a: set[str], b: set[str]) -> float:
    return len(a & b) / (math.log(len(a) + 1) + math.log(len(b) + 1)) if a and b else 0.0
