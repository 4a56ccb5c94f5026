"""Subtitle cues: a transcript split for reading along, by sentence, pause and line. Pure.

Limits as in common style guides for subtitles: two lines of 42 columns, 7 seconds, 20 characters a second, at least 0.8 s.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise, zip_longest

from producers.messages.plain_text import one_line
from schemas.transcript import WITHOUT_SPACES, Segment, Transcript, joined

LINE_COLUMNS = 42  # wide characters, such as Chinese ones, take two
LINES = 2
MAX_SECONDS = 7.0
MIN_SECONDS = 0.8
COLUMNS_PER_SECOND = 20.0
PAUSE = 0.3  # seconds after which a cut within a clause disturbs less
UNFIT = 1_000.0  # what a piece costs that no cue holds, so that nothing is lost
LABEL_COLUMNS = 20  # of a speaker's name; the rest of the line belongs to what is said
SENTENCE_END = (".", "?", "!", "…", "。", "？", "！", "؟", "׃")
CLAUSE_END = (",", ";", ":", "،", "、", "，", "；", "：", "–", "—")
QUOTES = "\"'”’»)]"
LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK = "\u200e", "\u200f"
KHMER_SUBSCRIPT = "\u17d2"


@dataclass(frozen=True, slots=True)
class Cue:
    """Text that is shown from `start` to `end` (seconds): at most two lines of one speaker.

    `label`: the speaker's name to show before the first line, empty where the speaker is the one of the cue before.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Piece:
    """An indivisible part: a word, or as much of a long one as fits a line; `gap` is the blank before it."""

    start: float
    end: float
    text: str
    gap: str


def cues(transcript: Transcript) -> tuple[Cue, ...]:
    """The cues of a whole transcript, in order of time; none is empty."""
    found: list[Cue] = []
    speaker: str | None = None
    for segment in sorted(transcript.segments, key=lambda s: s.start):
        pieces = _pieces(segment, transcript.language)
        if not pieces:
            continue
        label = _label(segment.speaker) if segment.speaker and segment.speaker != speaker else ""
        speaker = segment.speaker
        found += _cut([*_lines_of(pieces[0], LINE_COLUMNS - _room(label)), *pieces[1:]], segment.speaker, label)
    in_order = sorted(found, key=lambda cue: cue.start)
    return tuple(sorted(_lasting(list(_readable(in_order))), key=lambda cue: cue.start))


def columns(text: str) -> int:
    """The width of a text in a fixed font: combining marks take no column, wide characters two."""
    return sum(_width(character) for character in text)


def reads_right_to_left(text: str) -> bool:
    """Whether most letters of a text belong to right-to-left scripts."""
    kinds = Counter(unicodedata.bidirectional(character) for character in text)
    return kinds["R"] + kinds["AL"] > kinds["L"]


def opens_right_to_left(text: str) -> bool:
    """Whether players show a text from right to left, which they decide by its first letter."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def shown(cue: Cue) -> tuple[str, ...]:
    """The lines of a cue with its label, each with the reading direction of the spoken text."""
    first, *rest = cue.lines
    lines = (f"{cue.label}: {first}" if cue.label else first, *rest)
    leftwards = reads_right_to_left(" ".join(cue.lines))
    mark = RIGHT_TO_LEFT_MARK if leftwards else LEFT_TO_RIGHT_MARK
    return tuple(line if opens_right_to_left(line) is leftwards else mark + line for line in lines)


@lru_cache(4096)
def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _label(speaker: str) -> str:
    """A speaker's name, shortened where it would leave no room for the text."""
    name = one_line(speaker)
    while columns(name) > LABEL_COLUMNS:
        name = name[:-2].rstrip() + "…"
    return name


def _room(label: str) -> int:
    """The number of columns that a name takes."""
    return columns(label) + 2 if label else 0


def _pieces(segment: Segment, language: str) -> list[_Piece]:
    """The words of a segment; without times of their own they share the segment's time by their length."""
    language = segment.language or language
    start = max(0.0, segment.start)
    end = max(start, segment.end)
    if segment.words and one_line(joined(segment.words, language)) == one_line(segment.text):
        pieces: Iterable[_Piece] = _spaced(segment, language, start, end)
    else:
        text = one_line(segment.text)
        pieces = _timed(_letters(text) if language in WITHOUT_SPACES else _words(text), start, end)
    return _whole(part for piece in pieces for part in _lines_of(piece))


def _spaced(segment: Segment, language: str, start: float, end: float) -> Iterator[_Piece]:
    """The words in order and within the segment, so that no text is shown in another order."""
    starts = accumulate(
        (word.start for word in segment.words), lambda last, own: min(max(last, own), end), initial=start
    )
    next(starts)
    for word, (begin, following) in zip(segment.words, pairwise([*starts, end]), strict=True):
        space = language not in WITHOUT_SPACES if word.space_before is None else word.space_before
        if text := one_line(word.text):
            yield _Piece(begin, min(max(begin, word.end), following), text, " " if space else "")


def _words(text: str) -> list[tuple[str, str]]:
    return [(" ", word) for word in text.split()]


def _letters(text: str) -> list[tuple[str, str]]:
    """Each letter as a part, but Latin words and numbers as a whole."""
    found = re.finditer(r"[A-Za-z0-9]+|\S", text)
    return [(" " if text[: part.start()].endswith(" ") else "", part[0]) for part in found]


def _whole(pieces: Iterable[_Piece]) -> list[_Piece]:
    """The pieces with inseparable ones joined: marks with their letter, brackets with their contents."""
    found: list[_Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last and not piece.gap and (_closes(piece.text[0]) or _opens(last.text[-1])):
            text = last.text + piece.text
            if columns(text) <= LINE_COLUMNS:
                found[-1] = _Piece(last.start, max(last.end, piece.end), text, last.gap)
                continue
        found.append(piece)
    return found


def _closes(character: str) -> bool:
    """Whether a character must stay with the one before it."""
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf", "Pe", "Pf", "Po")


def _opens(character: str) -> bool:
    """Whether a character must stay with the one after it."""
    return unicodedata.category(character) in ("Ps", "Pi", "Cf") or character == KHMER_SUBSCRIPT


def _timed(parts: Sequence[tuple[str, str]], start: float, end: float) -> Iterator[_Piece]:
    total = sum(len(text) for _, text in parts) or 1
    done = 0
    for gap, text in parts:
        begin = start + (end - start) * done / total
        done += len(text)
        yield _Piece(begin, start + (end - start) * done / total, text, gap)


def _lines_of(piece: _Piece, first: int = LINE_COLUMNS) -> Iterator[_Piece]:
    """The piece, or parts of it that fit a line where it is wider; `first`: the columns left in the first line."""
    if columns(piece.text) <= first:
        yield piece
        return
    parts: list[tuple[str, str]] = []
    for letter in piece.text:
        if not parts or columns(parts[-1][1] + letter) > (first if len(parts) == 1 else LINE_COLUMNS):
            parts.append((piece.gap if not parts else "", letter))
        else:
            parts[-1] = (parts[-1][0], parts[-1][1] + letter)
    yield from _timed(parts, piece.start, piece.end)


class _Passage:
    """Continuous text of one speaker, measured in advance so that any range of its pieces is rated in constant time."""

    def __init__(self, pieces: Sequence[_Piece], label: str) -> None:
        self._pieces = pieces
        self._label = _room(label)
        self._gaps = [columns(piece.gap) for piece in pieces]
        self._reach = list(accumulate((columns(p.gap + p.text) for p in pieces), initial=0))
        self._sentences = list(accumulate((_ends(p.text, SENTENCE_END) for p in pieces), initial=0))

    def cuts(self) -> list[int]:
        """The cheapest places to cut, both ends included: dynamic programming over the start of the last cue."""
        best: list[tuple[float, int]] = [(0.0, 0)]  # of the first n pieces: cost, and where their last cue begins
        for end in range(1, len(self._pieces) + 1):
            choices = ((best[begin][0] + self._cost(begin, end), begin) for begin in self._begins(end))
            best.append(min(choices, default=(best[end - 1][0] + UNFIT, end - 1)))
        cuts = [len(self._pieces)]
        while cuts[-1]:
            cuts.append(best[cuts[-1]][1])
        return cuts[::-1]

    def _begins(self, end: int) -> Iterator[int]:
        """Possible starts of a cue that ends before piece `end`, from its last piece backwards."""
        lower = end - 1  # where its second line begins at the earliest
        while lower and self._columns(lower - 1, end) <= LINE_COLUMNS:
            lower -= 1
        for begin in range(end - 1, -1, -1):
            label = 0 if begin else self._label
            second = max(lower, begin + 1)
            upper = self._columns(begin, second if second < end else end)
            fits = upper + label <= LINE_COLUMNS
            if not fits or (self._seconds(begin, end) > MAX_SECONDS and begin < end - 1):
                return
            yield begin

    def _columns(self, begin: int, end: int) -> int:
        return self._reach[end] - self._reach[begin] - self._gaps[begin]

    def _seconds(self, begin: int, end: int) -> float:
        return self._pieces[end - 1].end - self._pieces[begin].start

    def _cost(self, begin: int, end: int) -> float:
        """The cost of a cue: higher where it ends within a clause, continues in a new sentence, or is short."""
        last = self._pieces[end - 1]
        cost = 1.0 + 1.5 * (self._sentences[end - 1] - self._sentences[begin])
        if self._seconds(begin, end) < MIN_SECONDS:
            cost += 1.5
        if end == len(self._pieces) or _ends(last.text, SENTENCE_END):
            return cost
        pauses = self._pieces[end].start - last.end > PAUSE
        return cost + (1.0 if pauses or _ends(last.text, CLAUSE_END) else 2.5)


def _ends(text: str, signs: tuple[str, ...]) -> bool:
    return text.rstrip(QUOTES).endswith(signs)


def _cut(pieces: Sequence[_Piece], speaker: str | None, label: str) -> list[Cue]:
    cuts = _Passage(pieces, label).cuts()
    return [_cue(pieces[a:b], speaker, "" if a else label) for a, b in pairwise(cuts)]


def _lines(pieces: Sequence[_Piece], label: str) -> tuple[str, ...]:
    """The lines of a cue: one if it fits, else two of similar width, divided at the end of a clause if possible."""
    before = _room(label)
    whole = _line(pieces)
    if columns(whole) + before <= LINE_COLUMNS:
        return (whole,)
    pairs = ((_line(pieces[:n]), _line(pieces[n:])) for n in range(1, len(pieces)))
    able = [p for p in pairs if columns(p[0]) + before <= LINE_COLUMNS and columns(p[1]) <= LINE_COLUMNS]
    return min(able, key=lambda pair: _imbalance(pair[0], pair[1], before)) if able else (whole,)


def _imbalance(upper: str, lower: str, before: int) -> float:
    difference = columns(upper) + before - columns(lower)
    return abs(difference) + (4 if difference > 0 else 0) - (20 if _ends(upper, (*SENTENCE_END, *CLAUSE_END)) else 0)


def _line(pieces: Iterable[_Piece]) -> str:
    return "".join(piece.gap + piece.text for piece in pieces).strip()


def _cue(pieces: Sequence[_Piece], speaker: str | None, label: str) -> Cue:
    start = pieces[0].start
    end = min(max(piece.end for piece in pieces), start + MAX_SECONDS)
    return Cue(start, max(start, end), _lines(pieces, label), speaker, label)


def _readable(found: Sequence[Cue]) -> Iterator[Cue]:
    """Cues extended to the time that reading takes, as far as their neighbours leave room."""
    free = 0.0  # nothing is shown from then on
    for cue, following in zip_longest(found, found[1:]):
        wanted = _reading(cue)
        room = cue.start + wanted if following is None else min(cue.start + wanted, following.start)
        end = max(cue.end, room)
        start = max(min(free, cue.start), min(cue.start, end - MIN_SECONDS))
        free = max(free, end)
        yield replace(cue, start=start, end=end)


def _lasting(found: list[Cue]) -> list[Cue]:
    """Cues of at least MIN_SECONDS: missing time is taken from the previous cue, else from the next one."""
    together = [following.start < cue.end for cue, following in pairwise(found)]  # shown beside each other as they are
    for n, cue in enumerate(found):
        lack = MIN_SECONDS - (cue.end - cue.start)
        if lack <= 0:
            continue
        before = found[n - 1] if n and not together[n - 1] else None
        spare = before.end - before.start - _reading(before) if before else 0.0
        if before and (taken := min(lack, max(0.0, spare))):
            found[n - 1] = replace(before, end=min(before.end, cue.start - taken))
        else:
            taken = 0.0
        end = cue.end + lack - taken
        found[n] = replace(cue, start=cue.start - taken, end=end)
        if n + 1 < len(found) and not together[n]:
            following = found[n + 1]
            found[n + 1] = replace(following, start=max(end, following.start), end=max(end, following.end))
    return found


def _reading(cue: Cue) -> float:
    """The reading time of a cue in seconds."""
    return min(MAX_SECONDS, max(MIN_SECONDS, sum(map(columns, cue.lines)) / COLUMNS_PER_SECOND))
