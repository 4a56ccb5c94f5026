"""How good a transcript is: words, speakers in time, and speakers of words; every score is a share of errors or hits."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import jiwer
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from schemas.transcript import Transcript, Word
from tests.summing import Summed

BETWEEN_WORDS = 0.3  # seconds that a speaker may need from one word to the next


@dataclass(frozen=True, slots=True)
class Said:
    """A reference: who says what between which seconds."""

    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Counts(Summed):
    """Errors and hits of several recordings, which add up."""

    word_errors: int = 0
    words: int = 0
    seconds_wrong: float = 0.0
    seconds: float = 0.0
    right_speaker: int = 0
    judged: int = 0

    @property
    def word_error_rate(self) -> float:
        """Substituted, missing and surplus words per word."""
        return self.word_errors / self.words

    @property
    def diarization_error_rate(self) -> float:
        """Missed, invented and confused speech per second of speech, without a collar."""
        return self.seconds_wrong / self.seconds

    @property
    def right_speakers(self) -> float:
        """Share of words that are with the right speaker, of those that stand for a word of the truth."""
        return self.right_speaker / self.judged


def count(said: Sequence[Said], transcript: Transcript) -> Counts:
    """A transcript against the truth; speakers are matched in the way that suits it best."""
    truth = [(text, item.speaker) for item in said for text in item.text.split()]
    words = sorted((word for segment in transcript.segments for word in segment.words), key=lambda word: word.start)
    aligned = jiwer.process_words(" ".join(text for text, _ in truth), " ".join(word.text for word in words) or "-")
    errors = aligned.substitutions + aligned.deletions + aligned.insertions
    pairs: Counter[tuple[str, str | None]] = Counter()
    for chunk in aligned.alignments[0]:
        if chunk.type in ("equal", "substitute"):
            reference = truth[chunk.ref_start_idx : chunk.ref_end_idx]
            found = words[chunk.hyp_start_idx : chunk.hyp_end_idx]
            pairs.update((speaker, word.speaker) for (_, speaker), word in zip(reference, found, strict=True))
    wrong, seconds = _seconds(said, words)
    return Counts(errors, len(truth), wrong, seconds, _matched(pairs), pairs.total())


def word_error_rate(reference: str, text: str) -> float:
    """Errors per word of the reference; case and line breaks do not count."""
    return float(jiwer.wer(" ".join(reference.lower().split()), " ".join(text.lower().split())))


def _seconds(said: Sequence[Said], words: Sequence[Word]) -> tuple[float, float]:
    truth, found = Annotation(), Annotation()
    for index, item in enumerate(said):
        truth[Segment(item.start, item.end), index] = item.speaker
    for index, word in enumerate(words):
        if word.speaker is not None and word.end > word.start:
            found[Segment(word.start, word.end), index] = word.speaker
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the whole recording is judged
        parts = DiarizationErrorRate()(truth.support(), found.support(BETWEEN_WORDS), detailed=True)
    return float(parts["false alarm"] + parts["missed detection"] + parts["confusion"]), float(parts["total"])


def _matched(pairs: Mapping[tuple[str, str | None], int]) -> int:
    """Most words that can be right when each label stands for one person."""
    people = sorted({speaker for speaker, _ in pairs})
    labels: list[str | None] = [*sorted({label for _, label in pairs if label is not None}), *([None] * len(people))]
    return max(
        sum(pairs.get(pair, 0) for pair in zip(people, chosen, strict=True) if pair[1] is not None)
        for chosen in permutations(labels, len(people))
    )
