"""Uncovered speech: regions where somebody speaks but the model wrote no words. Pure.

Times in seconds, regions in samples.
"""

from collections.abc import Iterable, Iterator, Sequence

from gpu_consumers.core.speech.vad_windows import Region
from schemas.transcript import Word

LEAST_SECONDS = 1.0  # what is shorter is a breath, a laugh, or the edge of a word
LONGEST_WORD = 2.0  # seconds that any word may take; what the alignment gives it beyond may be speech without words
LETTER_SECONDS = 0.25  # and a long one, for each letter
DIGIT_SECONDS = 0.6  # which are spoken as words
TOUCHING_SECONDS = 0.1  # regions so close are one
WARN_SECONDS, WARN_PART = 3.0, 0.05  # speech without words beyond both of these is worth a warning


def gaps(regions: Iterable[Region], words: Iterable[Word], rate: int) -> tuple[Region, ...]:
    """The stretches of at least LEAST_SECONDS that lie in `regions` and in no word, in order of time."""
    spoken = sorted(words, key=lambda word: word.start)
    least = int(LEAST_SECONDS * rate)
    return tuple(
        gap for region in touching(regions, rate) for gap in _without(region, spoken, rate) if gap.length >= least
    )


def heard_until(word: Word) -> float:
    """The latest end of a word, in seconds: nobody speaks it for longer than its letters take.

    faster-whisper lets the word before a passage that a model left out last until the next one.
    """
    digits = sum(map(str.isdigit, word.text))
    letters = sum(map(str.isalpha, word.text))
    return min(word.end, word.start + max(LONGEST_WORD, LETTER_SECONDS * letters + DIGIT_SECONDS * digits))


def touching(regions: Iterable[Region], rate: int) -> list[Region]:
    """Regions in order of time, those that nearly touch made one."""
    found: list[Region] = []
    for region in sorted(regions, key=lambda region: region.start):
        if found and region.start - found[-1].end <= TOUCHING_SECONDS * rate:
            found[-1] = Region(found[-1].start, max(found[-1].end, region.end))
        else:
            found.append(region)
    return found


def seconds_of(regions: Iterable[Region], rate: int) -> float:
    """The length of regions together."""
    return sum(region.length for region in regions) / rate


def is_worth_a_warning(uncovered: float, speech: float) -> bool:
    """Whether readers must be warned that so many seconds of speech have no words."""
    return uncovered > WARN_SECONDS and uncovered > WARN_PART * speech


def _without(region: Region, words: Sequence[Word], rate: int) -> Iterator[Region]:
    at = region.start
    for word in words:
        start, end = round(word.start * rate), round(heard_until(word) * rate)
        if end <= at or start >= region.end:
            continue
        yield Region(at, max(at, start))
        at = max(at, end)
    yield Region(at, max(at, region.end))
