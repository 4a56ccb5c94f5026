"""Long transcripts in parts that a model's window holds: pure planning over lines and estimated tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from schemas.transcript import Segment

T = TypeVar("T")
# English has about 4; rather too many parts than one that does not fit
_ASCII_A_TOKEN = 3
# Hebrew has a token for each letter of two bytes with older tokenizers
_OTHER_BYTES_A_TOKEN = 2
_LINE_TOKENS = 12  # number and speaker
MAX_SPEAKER_CHARS = 16


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A segment, or a piece of one that no window would hold, as the model sees it; `number` is the segment's."""

    number: int
    speaker: str | None
    text: str


def tokens_of(text: str) -> int:
    """About how many tokens a text has, rather too many."""
    size = len(text.encode("utf-8", "replace"))
    others = size - sum(character.isascii() for character in text)
    return ceil((size - others) / _ASCII_A_TOKEN + others / _OTHER_BYTES_A_TOKEN)


def clipped(text: str, most_tokens: int) -> str:
    """The beginning of a text that has at most so many tokens."""
    return next(_pieces(text, most_tokens * _OTHER_BYTES_A_TOKEN), "") if tokens_of(text) > most_tokens else text


def lines_of(segments: Sequence[Segment], most_tokens: int) -> tuple[TranscriptLine, ...]:
    """Every segment with words in it, in order; one above `most_tokens` in pieces."""
    room = most_tokens - _LINE_TOKENS
    return tuple(
        TranscriptLine(number, segment.speaker, piece)
        for number, segment in enumerate(segments)
        for piece in _fitting(" ".join(segment.text.split()), room)
    )


def parts_of(lines: Sequence[TranscriptLine], most_tokens: int) -> tuple[tuple[TranscriptLine, ...], ...]:
    """The lines in order, in as few parts as hold at most `most_tokens` each."""
    return _packed(lines, [tokens_of(line.text) + _LINE_TOKENS for line in lines], most_tokens)


def groups_of(texts: Sequence[str], most_tokens: int) -> tuple[tuple[str, ...], ...]:
    """Partial summaries in order, in groups that fit: fewer groups than texts, which are cut only if they leave no way."""
    sizes = [tokens_of(text) + _LINE_TOKENS for text in texts]
    groups = _packed(texts, sizes, most_tokens)
    if len(groups) < len(texts) and max(sizes) <= most_tokens:
        return groups
    short = [clipped(text, most_tokens // 2 - _LINE_TOKENS) for text in texts]
    return _packed(short, [tokens_of(text) + _LINE_TOKENS for text in short], most_tokens)


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


def _fitting(text: str, most_tokens: int) -> Iterator[str]:
    if tokens_of(text) > most_tokens:
        yield from _pieces(text, most_tokens * _OTHER_BYTES_A_TOKEN)
    elif text:
        yield text


def _pieces(text: str, most_bytes: int) -> Iterator[str]:
    """A text in pieces of at most so many bytes, cut at spaces where there are any."""
    while text:
        piece = text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
        if len(piece) < len(text) and (space := piece.rfind(" ")) > 0:
            piece = piece[:space]
        yield piece
        text = text[len(piece) :].lstrip()
