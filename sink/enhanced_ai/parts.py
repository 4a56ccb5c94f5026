"""Long transcripts in parts that a model's window holds: pure planning over lines and estimated tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from schemas.transcript import Segment

T = TypeVar("T")
_BYTES_A_TOKEN = 3  # English has about 4, Hebrew 2 to 3: rather too many parts than one that does not fit
_LINE_TOKENS = 12  # number and speaker


@dataclass(frozen=True, slots=True)
class Line:
    """A segment, or a piece of one that no window would hold, as the model sees it; `number` is the segment's."""

    number: int
    speaker: str | None
    text: str


def tokens_of(text: str) -> int:
    """About how many tokens a text has, rather too many."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_A_TOKEN)


def lines_of(segments: Sequence[Segment], most_tokens: int) -> tuple[Line, ...]:
    """Every segment with words in it, in order; one above `most_tokens` in pieces."""
    return tuple(
        Line(number, segment.speaker, piece)
        for number, segment in enumerate(segments)
        for piece in _pieces(segment.text.strip(), (most_tokens - _LINE_TOKENS) * _BYTES_A_TOKEN)
    )


def parts_of(lines: Sequence[Line], most_tokens: int) -> tuple[tuple[Line, ...], ...]:
    """The lines in order, in as few parts as hold at most `most_tokens` each."""
    return _packed(lines, [tokens_of(line.text) + _LINE_TOKENS for line in lines], most_tokens)


def groups_of(texts: Sequence[str], most_tokens: int) -> tuple[tuple[str, ...], ...]:
    """Partial summaries in order, in groups that fit; at least two in a group, so that there are fewer each time."""
    groups = _packed(texts, [tokens_of(text) + _LINE_TOKENS for text in texts], most_tokens)
    if all(len(group) > 1 for group in groups[:-1]):
        return groups
    return tuple(tuple(texts[place : place + 2]) for place in range(0, len(texts), 2))


def _packed(items: Sequence[T], sizes: Sequence[int], most: int) -> tuple[tuple[T, ...], ...]:
    parts: list[list[T]] = []
    room = 0
    for item, size in zip(items, sizes, strict=True):
        if not parts or size > room:
            parts.append([])
            room = most
        parts[-1].append(item)
        room -= size
    return tuple(map(tuple, parts))


def _pieces(text: str, most_bytes: int) -> Iterator[str]:
    """A text in pieces of at most so many bytes, cut at spaces where there are any."""
    while text:
        piece = text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
        if len(piece) < len(text) and (space := piece.rfind(" ")) > 0:
            piece = piece[:space]
        yield piece
        text = text[len(piece) :].lstrip()
