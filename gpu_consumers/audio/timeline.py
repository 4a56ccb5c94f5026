"""Timeline of a recording: silence where the container's time stamps show pauses, late starts or losses. Pure.

Sound is never cut or moved back: only silence is put in, so that what follows is where the container says.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples

TOLERANCE = 0.2  # seconds; what deviates less is rounding, priming, or one packet too many
RESTART = 1.0  # seconds back after which time stamps count from anew; those of parts that were joined do
LONGEST_GAP = 3600.0  # seconds
RETURNS = 32  # marks after which nobody comes back from an odd time stamp
MAX_MARKS = 20_000  # more deviations than that make time stamps worthless
SILENCE_BLOCK = 60 * SAMPLE_RATE  # samples, written at once


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """The container's time at a sample of the decoded sound, where it differs from the time that the last mark implies.

    `lost`: seconds of undecodable sound since the mark before; `torn`: bytes were skipped in front of it.
    """

    sample: int
    seconds: float
    lost: float = 0.0
    torn: bool = False

    @property
    def ahead(self) -> float:
        """Seconds by which the container's time is ahead of the sound."""
        return self.seconds - self.sample / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Timeline:
    """Silence as pairs of the sample before which it belongs and its number of samples; and lost and jumped seconds.

    Of the lost seconds, those replaced by silence are counted too. A jump is a time stamp too far ahead to be credible.
    """

    silences: tuple[tuple[int, int], ...] = ()
    lost: float = 0.0
    filled: float = 0.0
    jumps: tuple[float, ...] = ()

    @property
    def inserted(self) -> int:
        """Samples of inserted silence in all."""
        return sum(count for _, count in self.silences)


def timeline(marks: Sequence[TimelineMark], samples: int, announced: float, longest: float) -> Timeline:
    """The timeline of a recording of so many samples.

    `announced`: seconds that the container claims to have, 0 when it claims none. `longest`: seconds it may have.
    """
    if len(marks) > MAX_MARKS:
        return Timeline(lost=sum(mark.lost for mark in marks))
    limit = min(longest, announced + RESTART) if announced else longest
    room = limit - samples / SAMPLE_RATE
    silences, jumps = [], []
    level, inserted, lost, filled = 0.0, 0.0, 0.0, 0.0
    for mark in _trusted(marks):
        gap = mark.ahead - level
        if gap > TOLERANCE and gap <= min(LONGEST_GAP, room - inserted):
            silences.append((mark.sample, round(gap * SAMPLE_RATE)))
            inserted += gap
            filled += gap if mark.lost or mark.torn else 0.0
            level = mark.ahead
            continue
        lost += mark.lost
        if gap > TOLERANCE:
            jumps.append(gap)
        if gap > TOLERANCE or gap < -RESTART:
            level = mark.ahead
    return Timeline(tuple(silences), lost + filled, filled, tuple(jumps))


def delayed(marks: Sequence[TimelineMark], seconds: float, lost: float) -> list[TimelineMark]:
    """The marks of a recording in front of which so many seconds are missing, of them `lost` ones undecodable sound."""
    return [
        TimelineMark(0, seconds, lost, torn=True),
        *(replace(mark, seconds=mark.seconds + seconds) for mark in marks),
    ]


def _trusted(marks: Sequence[TimelineMark]) -> Iterator[TimelineMark]:
    """The marks without outliers, after which later marks return to the time before."""
    at, ahead = 0, 0.0
    while at < len(marks):
        mark = marks[at]
        if abs(mark.ahead - ahead) > TOLERANCE and (back := _return(marks, at, ahead)) is not None:
            yield from (
                TimelineMark(m.sample, m.sample / SAMPLE_RATE + ahead, m.lost) for m in marks[at:back] if m.lost
            )
            at = back
            continue
        ahead = mark.ahead
        yield mark
        at += 1


def _return(marks: Sequence[TimelineMark], at: int, ahead: float) -> int | None:
    later = range(at + 1, min(len(marks), at + 1 + RETURNS))
    return next((n for n in later if abs(marks[n].ahead - ahead) <= TOLERANCE), None)


def with_silence(blocks: Iterable[Samples], silences: Sequence[tuple[int, int]], channels: int) -> Iterator[Samples]:
    """The sound of all blocks [samples, channels] with a timeline's silences; one behind the last sample is the end."""
    left = list(silences)
    at = 0  # the sample with which `block` begins
    for whole in blocks:
        block, end = whole, at + len(whole)
        while left and left[0][0] < end:
            sample, count = left.pop(0)
            cut = max(0, sample - at)
            yield block[:cut]
            yield from _silence(count, channels)
            block, at = block[cut:], at + cut
        yield block
        at = end
    for _, count in left:
        yield from _silence(count, channels)


def _silence(samples: int, channels: int) -> Iterator[Samples]:
    for start in range(0, samples, SILENCE_BLOCK):
        yield np.zeros((min(SILENCE_BLOCK, samples - start), channels), np.float32)
