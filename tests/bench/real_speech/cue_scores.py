"""How well subtitles can be read: the worst of their cues. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from producers.transcripts.subtitles import Cue, shown

MOST_CHARACTERS, MOST_SECONDS = 84, 7.0
_ROUNDING = 0.001  # seconds: cues are told in milliseconds


@dataclass(frozen=True, slots=True)
class CueLimits:
    """Of how many cues the longest takes so many seconds and characters, the fastest so many characters a second."""

    count: int = 0
    longest_seconds: float = 0.0
    longest_characters: int = 0
    fastest: float = 0.0
    above: int = 0
    """Those with more than MOST_CHARACTERS or MOST_SECONDS."""

    def __add__(self, other: "CueLimits") -> "CueLimits":
        return CueLimits(
            self.count + other.count,
            max(self.longest_seconds, other.longest_seconds),
            max(self.longest_characters, other.longest_characters),
            max(self.fastest, other.fastest),
            self.above + other.above,
        )


def cue_limits(cues: Sequence[Cue]) -> CueLimits:
    """Of the cues of one recording."""
    seconds = [cue.end - cue.start for cue in cues]
    characters = [sum(map(len, shown(cue))) for cue in cues]
    above = (s > MOST_SECONDS + _ROUNDING or c > MOST_CHARACTERS for s, c in zip(seconds, characters, strict=True))
    speeds = (c / max(s, _ROUNDING) for s, c in zip(seconds, characters, strict=True))
    longest = round(max(seconds, default=0.0), 3)
    return CueLimits(len(cues), longest, max(characters, default=0), round(max(speeds, default=0.0), 1), sum(above))
