"""Words of a corrected segment: unchanged ones keep their times, others get times between their neighbours. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from schemas.transcript import WITHOUT_SPACES, Segment, Word, has_space_before, joined

MOST_PAIRS = 50_000  # equal words that are compared: a text of one word over and over would take minutes
_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"[A-Za-z0-9]+|\S")


@dataclass(frozen=True, slots=True)
class _Token:
    """A part of a text that is compared as a whole, from character `first` up to `end`."""

    text: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class _Group:
    """Words without a blank between them, and the text that they make."""

    words: tuple[Word, ...]
    text: str
    tokens: tuple[_Token, ...]


def realigned(segment: Segment, text: str, language: str) -> tuple[Word, ...]:
    """The words of a segment whose text is now `text`, in which blanks are single and within; `joined` they are it.

    A segment without words stays without. Words that follow each other in time within the segment still do.
    """
    if not segment.words or joined(segment.words, language) == text:
        return segment.words
    groups, tokens = _groups(segment.words, language), _tokens(text, language)
    words: list[Word] = []
    next_group = next_token = 0
    for number, place in (*_unchanged(groups, tokens, text).items(), (len(groups), len(tokens))):
        kept = groups[number] if number < len(groups) else None
        end = _within(segment, kept.words[0].start if kept else segment.end)
        start = min(end, _within(segment, words[-1].end if words else segment.start))
        words += _new(
            segment,
            text,
            tokens[next_token:place],
            _spans(tokens[next_token:place], groups[next_group:number], start, end),
        )
        if kept:
            words += _placed(kept, text, tokens[place], language)
            next_group, next_token = number + 1, place + len(kept.tokens)
    return tuple(words)


def _groups(words: Sequence[Word], language: str) -> list[_Group]:
    """Words in groups without a blank within; each by itself in a language that has none between words."""
    found: list[list[Word]] = []
    for word in words:
        if found and language not in WITHOUT_SPACES and not has_space_before(word, language):
            found[-1].append(word)
        else:
            found.append([word])
    texts = [joined(group, language) for group in found]
    return [
        _Group(tuple(group), text, tuple(_tokens(text, language))) for group, text in zip(found, texts, strict=True)
    ]


def _tokens(text: str, language: str) -> list[_Token]:
    """The words of a text; where they stand without blanks its letters with their marks, and Latin words."""
    if language not in WITHOUT_SPACES:
        return [_Token(found[0], found.start(), found.end()) for found in _WORD.finditer(text)]
    tokens: list[_Token] = []
    for found in _LETTER.finditer(text):
        last = tokens[-1] if tokens else None
        if last and last.end == found.start() and unicodedata.category(found[0][0]) in ("Mn", "Mc", "Me", "Cf"):
            tokens[-1] = _Token(last.text + found[0], last.first, found.end())
        else:
            tokens.append(_Token(found[0], found.start(), found.end()))
    return tokens


def _unchanged(groups: Sequence[_Group], tokens: Sequence[_Token], text: str) -> dict[int, int]:
    """The groups that are in the text still, in order, each with the place of its first token there."""
    places = _matches([token.text for group in groups for token in group.tokens], [token.text for token in tokens])
    ends = accumulate(len(group.tokens) for group in groups)
    kept: dict[int, int] = {}
    for number, (group, end) in enumerate(zip(groups, ends, strict=True)):
        found = [places.get(old) for old in range(end - len(group.tokens), end)]
        first = found[0] if found else None
        if first is None or found != [*range(first, first + len(found))]:
            continue
        if text[tokens[first].first : tokens[first + len(found) - 1].end] == group.text:
            kept[number] = first
    return kept


def _matches(old: Sequence[str], new: Sequence[str]) -> Mapping[int, int]:
    """Places of old tokens that are among the new ones, with their places there; both rise."""
    same = min(len(old), len(new))
    head = next((n for n in range(same) if old[n] != new[n]), same)
    tail = next((n for n in range(same - head) if old[-1 - n] != new[-1 - n]), same - head)
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    found = {n: n for n in range(head)}
    times = Counter(inner_old)
    if sum(times[token] for token in inner_new) <= MOST_PAIRS:
        matcher = SequenceMatcher(None, inner_old, inner_new, autojunk=False)
        for a, b, size in matcher.get_matching_blocks():
            found |= {head + a + n: head + b + n for n in range(size)}
    return found | {len(old) - n: len(new) - n for n in range(tail, 0, -1)}


def _spans(
    tokens: Sequence[_Token], dropped: Sequence[_Group], start: float, end: float
) -> Iterator[tuple[float, float]]:
    """Start and end of each new word between two times: those of the words in whose place it stands, else by length."""
    if tokens and len(tokens) == len(dropped):
        for group in dropped:
            start = min(max(start, group.words[0].start), end)
            until = min(max(start, group.words[-1].end), end)
            yield start, until
            start = until
        return
    if dropped:
        first, last = dropped[0].words[0].start, dropped[-1].words[-1].end
        if start <= first < last <= end:
            start, end = first, last
    lengths = [0, *accumulate(len(token.text) for token in tokens)]
    times = [min(max(round(start + (end - start) * done / lengths[-1], 3), start), end) for done in lengths if tokens]
    yield from pairwise(times)


def _new(segment: Segment, text: str, tokens: Sequence[_Token], spans: Iterable[tuple[float, float]]) -> Iterator[Word]:
    """New words with their times, of the segment's speaker where its words say who that is."""
    label = segment.speaker if any(word.speaker for word in segment.words) else None
    for token, (start, end) in zip(tokens, spans, strict=True):
        yield Word(start=start, end=end, text=token.text, speaker=label, space_before=_has_blank(text, token))


def _placed(group: _Group, text: str, token: _Token, language: str) -> Iterator[Word]:
    """The words of a group as they were, the first one with the blank that is before it now; a line begins with none."""
    first, *others = group.words
    blank = _has_blank(text, token)
    differs = token.first > 0 and blank != has_space_before(first, language)
    yield replace(first, space_before=blank) if differs else first
    yield from others


def _has_blank(text: str, token: _Token) -> bool:
    return token.first > 0 and text[token.first - 1] == " "


def _within(segment: Segment, seconds: float) -> float:
    return min(max(seconds, segment.start), max(segment.start, segment.end))
