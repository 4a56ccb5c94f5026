"""Merge of words and turns: assigns each word a speaker, and builds readable segments."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from schemas.transcript import Segment, Transcript, Word, joined

REACH = 2.0  # seconds: a word further from every turn than this was said by nobody we know
ISLAND_WORDS = 2
ISLAND_SECONDS = 0.4
ISLAND_CONFIDENCE = 0.8  # part of the island that its turn covers; from here on the turn is believed
EDGE = 1.0  # seconds between a turn's end and its outermost word that the alignment may have got wrong
LEAST_OF_WORD = 0.1  # seconds of a word that stay where its turn covers less; with more, speakers overlap too much
GAP = 1.0  # seconds of silence between two words that end a segment
PAUSE = 0.7  # seconds between two turns that do, which are measured better
PAUSE_AFTER_SENTENCE = 0.3  # and between two turns where a sentence ends
SENTENCE_AFTER = 12.0  # seconds after which the end of a sentence ends a segment
LONGEST = 30.0  # seconds after which a segment ends anyway
QUOTES = "\"'”’»)]"  # may stand behind the end of a sentence
SENTENCE_END = (".", "?", "!", "…", "。", "？", "！", "؟", "׃")

FAILED = "diarization failed: transcript has no speakers"
NOBODY = "no speakers found"


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time in which one speaker speaks; seconds.

    `since` and `until`: where the voice begins and ends beside others; None: as the turn.
    """

    start: float
    end: float
    speaker: str
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class _Voiced:
    """A word with its speaker, the turn that covers it, None if none does, and which part of the word that is.

    `since` and `until`: where its voice begins before it and ends after it, beside others; None: as the word.
    """

    word: Word
    speaker: str | None
    coverage: float
    turn: Turn | None = None
    since: float | None = None
    until: float | None = None


def merge(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """The transcript cut anew into segments of one speaker each; speakers are named by first appearance.

    Segments without words keep their text and take the speaker whose turns cover most of them.
    """
    ordered = sorted(turns, key=lambda turn: turn.start)
    words = sorted(spoken_words(transcript), key=lambda word: word.start)
    wordless = [
        replace(segment, speaker=_spoken(_span(segment), ordered))
        for segment in transcript.segments
        if not segment.words
    ]
    voiced = _fitted(_smooth(_sweep(words, ordered)))
    cut = (segment for run in _runs(voiced) for segment in _reaching(run, transcript.language))
    segments = sorted((*cut, *wordless), key=lambda s: s.start)
    warnings = transcript.warnings if turns or not segments else (*transcript.warnings, NOBODY)
    return named(replace(transcript, segments=tuple(segments), warnings=warnings))


def spoken_words(transcript: Transcript) -> Iterator[Word]:
    """All words, each with its language where that is another one than the transcript's."""
    for segment in transcript.segments:
        other = segment.language if segment.language != transcript.language else None
        yield from (replace(word, language=word.language or other) for word in segment.words)


def assign(words: Sequence[Word], turns: Sequence[Turn]) -> tuple[Word, ...]:
    """Assign a speaker to each word; both sequences in order of their start.

    The speaker is that of the turn that overlaps the word most, else of the nearest within REACH, else none; then
    islands are smoothed.
    """
    return _words(_smooth(_sweep(words, turns)))


def _words(voiced: Iterable[_Voiced]) -> tuple[Word, ...]:
    return tuple(replace(item.word, speaker=item.speaker) for item in voiced)


def _sweep(words: Sequence[Word], turns: Sequence[Turn]) -> list[_Voiced]:
    found, first = [], 0
    before: Turn | None = None  # of all turns that ended, the one that ended last
    for word in words:
        while first < len(turns) and turns[first].end <= word.start:
            if before is None or turns[first].end > before.end:
                before = turns[first]
            first += 1
        found.append(_voiced(word, before, turns, first))
    return found


def _voiced(word: Word, before: Turn | None, turns: Sequence[Turn], first: int) -> _Voiced:
    best, most, after = None, 0.0, None
    for turn in _from(turns, first):
        if turn.start >= word.end and turn.start > word.start:
            after = turn
            break
        shared = _overlap(word, turn)
        if best is None or shared > most:
            best, most = turn, shared
    if best is not None and (most > 0 or best.start <= word.start < best.end):
        length = word.end - word.start
        return _Voiced(word, best.speaker, most / length if length > 0 else 1.0, best)
    nearest = _nearest(word, (before, best, after))
    # the speaker is borrowed, the time is not: the diarizer may have missed where the word was said
    return _Voiced(word, nearest.speaker if nearest else None, 0.0)


def _from(turns: Sequence[Turn], first: int) -> Iterator[Turn]:
    return (turns[index] for index in range(first, len(turns)))


def _overlap(word: Word, turn: Turn) -> float:
    return max(0.0, min(word.end, turn.end) - max(word.start, turn.start))


def distance(word: Word, turn: Turn) -> float:
    """Seconds between a word and a turn; 0 when they touch or overlap."""
    return max(0.0, turn.start - word.end, word.start - turn.end)


def _nearest(word: Word, candidates: Sequence[Turn | None]) -> Turn | None:
    near = [turn for turn in candidates if turn is not None and distance(word, turn) <= REACH]
    return min(near, key=lambda turn: distance(word, turn), default=None)


def _smooth(voiced: Sequence[_Voiced]) -> list[_Voiced]:
    """A short, doubtful island between two stretches of one speaker belongs to that speaker."""
    runs = [list(run) for _, run in groupby(voiced, key=lambda item: item.speaker)]
    for before, island, after in zip(runs, runs[1:], runs[2:], strict=False):
        if before[-1].speaker == after[0].speaker is not None and _doubtful(island):
            island[:] = [replace(item, speaker=before[-1].speaker) for item in island]
    return [item for run in runs for item in run]


def _fitted(voiced: Sequence[_Voiced]) -> Iterator[_Voiced]:
    """Words within the turns that cover them, the first and the last of a turn up to its ends; others keep their times.

    The alignment of words stretches and shrinks them next to pauses; turns are measured frame by frame. Where the voice goes on
    beside others, that is no longer the word.
    """
    for turn, group in groupby(voiced, key=lambda item: item.turn):
        run = list(group)
        if turn is None or any(item.speaker != turn.speaker for item in run):
            yield from run
            continue
        for index, item in enumerate(run):
            word, since, until = _within(item.word, turn), None, None
            if index == 0 and word.start - turn.start <= EDGE:
                word, since = replace(word, start=min(word.start, turn.start)), turn.since
            if index == len(run) - 1 and turn.end - word.end <= EDGE:
                word, until = replace(word, end=max(word.end, turn.end)), turn.until
            yield replace(item, word=word, since=since, until=until)


def _within(word: Word, turn: Turn) -> Word:
    """A word within its turn, but for what it needs to be heard."""
    least = min(LEAST_OF_WORD, word.end - word.start)
    start = min(max(word.start, turn.start), max(word.start, word.end - least))
    end = max(min(word.end, turn.end), start + least)
    return replace(word, start=round(start, 3), end=round(end, 3))


def _runs(voiced: Iterable[_Voiced]) -> Iterator[list[_Voiced]]:
    """Words up to a pause of the speaker; turns show pauses better than word times do."""
    run: list[_Voiced] = []
    for item in voiced:
        if run and _pauses(run[-1], item):
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def _reaching(run: Sequence[_Voiced], language: str) -> Iterator[Segment]:
    """Segments that last as long as their voices, of words that last as long as they are said."""
    items = iter(run)
    for segment in segments_of(_words(run), language):
        said = list(islice(items, len(segment.words)))
        start = min(segment.start, *(item.since for item in said if item.since is not None), math.inf)
        end = max(segment.end, *(item.until for item in said if item.until is not None), 0.0)
        yield replace(segment, start=round(start, 3), end=round(end, 3))


def _pauses(before: _Voiced, after: _Voiced) -> bool:
    if before.turn is None or after.turn is None:
        return False
    return after.turn.start - before.turn.end > (PAUSE_AFTER_SENTENCE if _ends_sentence(before.word) else PAUSE)


def _doubtful(island: Sequence[_Voiced]) -> bool:
    return (
        len(island) <= ISLAND_WORDS
        and island[-1].word.end - island[0].word.start < ISLAND_SECONDS
        and all(item.coverage < ISLAND_CONFIDENCE for item in island)
    )


def _span(segment: Segment) -> Word:
    return Word(start=segment.start, end=segment.end, text="")


def _spoken(span: Word, turns: Sequence[Turn]) -> str | None:
    totals: dict[str, float] = {}
    for turn in turns:
        totals[turn.speaker] = totals.get(turn.speaker, 0.0) + _overlap(span, turn)
    best = max(totals, key=lambda speaker: totals[speaker], default=None)
    return best if best is not None and totals[best] > 0 else None


def segments_of(words: Sequence[Word], language: str, channel: int | None = None) -> tuple[Segment, ...]:
    """Words in order of their start, cut at changes of speaker and language, silences, ends of sentences and great length.

    `language`: of words that name no other one.
    """
    return tuple(_segment(part, language, channel) for part in _parts(words))


def _parts(words: Sequence[Word]) -> Iterator[list[Word]]:
    part: list[Word] = []
    for word in words:
        if part and _ends(part, word):
            yield part
            part = []
        part.append(word)
    if part:
        yield part


def _ends(part: Sequence[Word], word: Word) -> bool:
    last, length = part[-1], part[-1].end - part[0].start
    return (
        word.speaker != last.speaker
        or word.language != last.language
        or word.start - last.end > GAP
        or (length >= SENTENCE_AFTER and _ends_sentence(last))
        or word.end - part[0].start > LONGEST
    )


def _ends_sentence(word: Word) -> bool:
    return word.text.rstrip(QUOTES).endswith(SENTENCE_END)


def _segment(words: Sequence[Word], language: str, channel: int | None) -> Segment:
    language = words[0].language or language
    return Segment(
        start=words[0].start,
        end=max(word.end for word in words),
        text=joined(words, language),
        speaker=words[0].speaker,
        channel=channel,
        words=tuple(replace(word, language=None) if word.language else word for word in words),
        language=language,
    )


def named(transcript: Transcript) -> Transcript:
    """The transcript with speakers named SPEAKER_00, SPEAKER_01 ... in order of their first appearance."""
    names = {label: f"SPEAKER_{index:02d}" for index, label in enumerate(transcript.speakers)}

    def rename(segment: Segment) -> Segment:
        words = tuple(replace(word, speaker=names.get(word.speaker or "")) for word in segment.words)
        return replace(segment, speaker=names.get(segment.speaker or ""), words=words)

    return replace(transcript, segments=tuple(rename(segment) for segment in transcript.segments))


def without_words(transcript: Transcript) -> Transcript:
    """The transcript without words, for jobs that request no word times."""
    return replace(transcript, segments=tuple(replace(segment, words=()) for segment in transcript.segments))
