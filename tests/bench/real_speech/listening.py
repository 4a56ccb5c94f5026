"""What the model itself writes while the product transcribes, and how long the product's engines take."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from faster_whisper import BatchedInferencePipeline

from gpu_consumers.audio.samples import Progress, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.engines import faster_whisper as engine
from gpu_consumers.engines.protocols import (
    Checkpoints,
    Diarizer,
    Engines,
    SpeakerBounds,
    Transcriber,
    TranscriptionOptions,
)


@dataclass(slots=True)
class Duration:
    """Seconds by the clock and of the processor, of all threads."""

    seconds: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Add what passes inside."""
        began, used = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began
            self.cpu += time.process_time() - used


@dataclass(slots=True)
class Watched:
    """The engines of the product with a clock at each."""

    engines: Engines
    transcribing: Duration = field(default_factory=Duration)
    diarizing: Duration = field(default_factory=Duration)

    def transcriber(self, name: str) -> Transcriber:
        """See engine.Engines."""
        return _WatchedTranscriber(self.engines.transcriber(name), self.transcribing)

    def diarizer(self) -> Diarizer:
        """See engine.Engines."""
        return _WatchedDiarizer(self.engines.diarizer(), self.diarizing)


class _WatchedTranscriber:
    def __init__(self, inner: Transcriber, duration: Duration) -> None:
        self._inner, self._duration, self.info = inner, duration, inner.info

    def transcribe(
        self, samples: Samples, wishes: TranscriptionOptions, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> ChannelTranscript:
        with self._duration.measured():
            return self._inner.transcribe(samples, wishes, progress, checkpoints)


class _WatchedDiarizer:
    def __init__(self, inner: Diarizer, duration: Duration) -> None:
        self._inner, self._duration, self.info = inner, duration, inner.info

    def diarize(
        self, samples: Samples, bounds: SpeakerBounds, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> tuple[Turn, ...]:
        with self._duration.measured():
            return self._inner.diarize(samples, bounds, progress, checkpoints)


@contextmanager
def overheard() -> Iterator[list[str]]:
    """What faster-whisper hands to the product's transcriber meanwhile: the text of each window, as it was written."""
    written: list[str] = []

    class Listening(BatchedInferencePipeline):  # type: ignore[misc]
        def transcribe(self, *args: Any, **options: Any) -> tuple[Iterable[Any], Any]:
            segments, info = super().transcribe(*args, **options)
            return _noted(segments, written), info

    names = vars(engine)
    names["BatchedInferencePipeline"] = Listening
    try:
        yield written
    finally:
        names["BatchedInferencePipeline"] = BatchedInferencePipeline


def _noted(segments: Iterable[Any], written: list[str]) -> Iterator[Any]:
    for segment in segments:
        written.append(segment.text)
        yield segment
