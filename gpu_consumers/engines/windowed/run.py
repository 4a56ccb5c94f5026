"""One transcription in progress: the next batch, progress reports, and checkpoints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.core.speech.checkpoints import TranscriptionState, encode, is_due, spans
from gpu_consumers.core.speech.vad_windows import Window
from gpu_consumers.engines.protocols import Checkpoints
from schemas.errors import NotOwner
from schemas.transcript import Word


@dataclass(frozen=True, slots=True)
class SpokenLanguage:
    """The language of a recording, None while it is unknown; `probability` where it was detected."""

    name: str | None
    probability: float | None


@dataclass(slots=True)
class TranscriptionRun:
    """Tracks the finished part of one recording, and checkpoints it for the next process."""

    samples: Samples
    progress: Progress
    checkpoints: Checkpoints | None
    batch_size: int  # windows
    batch_seconds: float = math.inf  # of audio, in a batch of more than one window
    multilingual: bool = False  # whether nobody named the language, so that windows may be in several
    speech: float = 0.0  # seconds
    uncovered: float = 0.0  # seconds of it that no word covers
    foreign: dict[str, float] = field(default_factory=dict)  # seconds of it in other languages than the named one
    _state: TranscriptionState | None = None  # that no checkpoint has yet
    _since: float = 0.0  # seconds of audio done since the last checkpoint
    _words: list[Word] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The length of the whole recording."""
        return len(self.samples) / SAMPLE_RATE

    def report(self, sample: int) -> None:
        """Report progress, the only moment to stop the work: a checkpoint then includes everything done."""
        try:
            self.progress(sample / SAMPLE_RATE)
        except NotOwner:
            self._keep()
            raise

    def next_batch(self, windows: Sequence[Window]) -> Sequence[Window]:
        """The first of the windows, limited to the audio that may be repeated after a crash."""
        batch = windows[: self.batch_size]
        while len(batch) > 1 and seconds_in(batch) > self.batch_seconds:
            batch = batch[:-1]
        return batch

    def count(self, batch: Sequence[Window], uncovered: float, foreign: Sequence[tuple[str, Window]]) -> None:
        """Add a transcribed batch: seconds of speech without words, and windows in other languages than the named one."""
        for language, window in foreign:
            self.foreign[language] = self.foreign.get(language, 0.0) + seconds_in([window])
        self.speech += seconds_in(batch)
        self.uncovered += uncovered

    def advance(
        self,
        batch: Sequence[Window],
        words: Sequence[Word],
        language: SpokenLanguage,
        pending: Sequence[Window],
        start: int,
    ) -> None:
        """Record a finished batch, and checkpoint if the next one would leave too much to repeat.

        `pending`: the windows that come next; `start`: the sample from which on speech was not searched yet.
        """
        if self.checkpoints is None:
            return
        self._since += seconds_in(batch)
        self._words += words
        self._state = TranscriptionState(
            language=language.name,
            probability=language.probability,
            start=start,
            windows=spans(pending),
            speech=self.speech,
            uncovered=self.uncovered,
            foreign=tuple(self.foreign.items()),
        )
        if is_due(self._since, seconds_in(self.next_batch(pending)), self.checkpoints.every) or not pending:
            self._keep()

    def _keep(self) -> None:
        if self.checkpoints is None or self._state is None:
            return
        self.checkpoints.keep(encode(replace(self._state, words=tuple(self._words))))
        self._state, self._since, self._words = None, 0.0, []


def seconds_in(windows: Sequence[Window]) -> float:
    """Total seconds of audio in the windows."""
    return sum(window.length for window in windows) / SAMPLE_RATE
