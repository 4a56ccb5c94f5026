"""Long transcripts split into parts that fit a model's context window, by lines and estimated tokens. Pure."""

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
    """A segment as the model sees it, or a piece of one too long for the window; `number` is that of the segment."""

    number: int
    speaker: str | None
    text: str


def tokens_of(text: str) -> int:
    """The estimated number of tokens in a text, rather too high than too low."""
    size = len(text.encode("utf-8", "replace"))
    others = size - sum(character.isascii() for character in text)
    return ceil((size - others) / _ASCII_A_TOKEN + others / _OTHER_BYTES_A_TOKEN)


def clipped(text: str, most_tokens: int) -> str:
    """The beginning of a text, of at most so many tokens."""
    return next(_pieces(text, most_tokens * _OTHER_BYTES_A_TOKEN), "") if tokens_of(text) > most_tokens else text


def lines_of(segments: Sequence[Segment], most_tokens: int) -> tuple[TranscriptLine, ...]:
    """Every segment that contains words, in order; one above `most_tokens` is split into pieces."""
    room = most_tokens - _LINE_TOKENS
    return tuple(
        TranscriptLine(number, segment.speaker, piece)
        for number, segment in enumerate(segments)
        for piece in _fitting(" ".join(segment.text.split()), room)
    )


def parts_of(lines: Sequence[TranscriptLine], most_tokens: int) -> tuple[tuple[TranscriptLine, ...], ...]:
    """The lines in order, in as few parts as possible, each of at most `most_tokens`."""
    return _packed(lines, [tokens_of(line.text) + _LINE_TOKENS for line in lines], most_tokens)


def groups_of(texts: Sequence[str], most_tokens: int) -> tuple[tuple[str, ...], ...]:
    """Partial summaries in order, in groups that fit: fewer groups than texts; texts are cut only if unavoidable."""
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
