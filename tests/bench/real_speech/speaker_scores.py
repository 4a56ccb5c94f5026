"""Who spoke when, and who said each word, against the turns of a reference."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from gpu_consumers.core.speech.merge import Turn
from schemas.transcript import Transcript, Word
from tests.bench.real_speech.references import Spoken
from tests.summing import Summed

COLLAR = 0.25  # seconds on either side of every edge that the second rate leaves out
EDGE = 0.1  # seconds beyond a turn within which a word may still be said in it


@dataclass(frozen=True, slots=True)
class DiarizationErrors(Summed):
    """Seconds of speech that are missed, invented or another one's, of so many; they add up over recordings.

    Overlapping speech counts. `wrong_inside` of `seconds_inside`: away from the edges of turns.
    """

    seconds: float = 0.0
    missed: float = 0.0
    invented: float = 0.0
    confused: float = 0.0
    seconds_inside: float = 0.0
    wrong_inside: float = 0.0

    @property
    def rate(self) -> float | None:
        """Without a collar; None where nobody speaks."""
        return (self.missed + self.invented + self.confused) / self.seconds if self.seconds else None

    @property
    def rate_inside(self) -> float | None:
        """With a collar of COLLAR seconds."""
        return self.wrong_inside / self.seconds_inside if self.seconds_inside else None


@dataclass(frozen=True, slots=True)
class RightSpeakers(Summed):
    """Words with the right speaker, of those that a turn of the reference covers; they add up over recordings."""

    right: int = 0
    judged: int = 0

    @property
    def rate(self) -> float | None:
        """None where no word is judged."""
        return self.right / self.judged if self.judged else None


def spans_of(transcript: Transcript) -> tuple[Turn, ...]:
    """Its segments as turns."""
    return tuple(Turn(s.start, s.end, s.speaker) for s in transcript.segments if s.speaker is not None)


def diarization_errors(truth: Sequence[Spoken], found: Iterable[Turn], seconds: float) -> DiarizationErrors:
    """Turns against those of the reference, over the whole recording."""
    reference, hypothesis, whole = _annotation(truth), _annotation(found), Timeline([Segment(0, seconds)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty hypotheses
        exact = DiarizationErrorRate()(reference, hypothesis, uem=whole, detailed=True)
        inside = DiarizationErrorRate(collar=2 * COLLAR)(reference, hypothesis, uem=whole, detailed=True)
    return DiarizationErrors(
        float(exact["total"]),
        float(exact["missed detection"]),
        float(exact["false alarm"]),
        float(exact["confusion"]),
        float(inside["total"]),
        float(inside["missed detection"] + inside["false alarm"] + inside["confusion"]),
    )


def words_of(transcript: Transcript) -> tuple[Word, ...]:
    """All its words."""
    return tuple(word for segment in transcript.segments for word in segment.words)


def attributed(words: Iterable[Word], turns: Sequence[Turn]) -> tuple[Word, ...]:
    """Words given to the turns that overlap them most, as users of the two stock libraries put both together."""
    return tuple(replace(word, speaker=_most_overlapping(word, turns)) for word in words)


def _most_overlapping(word: Word, turns: Sequence[Turn]) -> str | None:
    shared = [(min(word.end, turn.end) - max(word.start, turn.start), turn.speaker) for turn in turns]
    overlap, speaker = max(shared, default=(0.0, ""), key=lambda pair: pair[0])
    return speaker if overlap > 0 else None


def right_speakers(truth: Sequence[Spoken], turns: Sequence[Turn], words: Iterable[Word]) -> RightSpeakers:
    """Words whose speaker, named as suits the turns of the whole recording best, speaks in their middle."""
    names = DiarizationErrorRate().optimal_mapping(_annotation(truth), _annotation(turns))
    right = judged = 0
    for word in words:
        middle = (word.start + word.end) / 2
        speaking = {turn.speaker for turn in truth if turn.start - EDGE <= middle <= turn.end + EDGE}
        judged += bool(speaking)
        right += names.get(word.speaker) in speaking
    return RightSpeakers(right, judged)


def _annotation(turns: Iterable[Spoken | Turn]) -> Annotation:
    annotation = Annotation()
    for index, turn in enumerate(turns):
        annotation[Segment(turn.start, turn.end), index] = turn.speaker
    return annotation
