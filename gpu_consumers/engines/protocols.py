"""Protocols of engines: samples in, words or turns out; independent of any library."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gpu_consumers.audio.samples import Progress, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.core.speech.merge import Turn
from schemas.events import ModelInfo, Task

Part = TypeVar("Part")


class Checkpoints(Protocol):
    """Progress of a long recording, stored in parts that the next process finds; see engines.checkpoints."""

    seconds: float
    """The most audio that is worked on in one go."""
    every: float
    """The audio between two parts, so the most that is done again after a crash."""

    def find(self, read: Callable[[bytes], Part | None], /) -> list[Part]:
        """The stored parts in order, up to the first one for which `read` gives None; raises Outage."""

    def keep(self, part: bytes) -> None:
        """Store a part: the work done since the last call."""


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """Options of one transcription; `language` None means that the model detects it."""

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    hotwords: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerBounds:
    """Bounds of the number of speakers; `exactly` overrides the others."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None


class Transcriber(Protocol):
    """A loaded speech-to-text model; may be used from several threads."""

    info: ModelInfo

    def transcribe(
        self,
        samples: Samples,
        options: TranscriptionOptions,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> ChannelTranscript:
        """The words in `samples` [n], in order; no speech gives no words.

        `progress` is told seconds done, growing to the whole length; what it raises ends the work. With `checkpoints`
        it goes on where an earlier try came to. Raises Transient when the device is short of memory.
        """


class Diarizer(Protocol):
    """A loaded speaker diarization; may be used from several threads."""

    info: ModelInfo

    def diarize(
        self, samples: Samples, bounds: SpeakerBounds, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> tuple[Turn, ...]:
        """The turns of speakers in `samples` [n]: they do not overlap, are in order of their start, and there are none without speech.

        `progress` and `checkpoints` as with Transcriber. Raises Transient when the device is short of memory.
        """


class Engines(Protocol):
    """The models of this process, loaded at first use."""

    def transcriber(self, name: str) -> Transcriber:
        """The model of a registry entry, which the caller releases when its job ends.

        Raises Transient while it cannot be fetched or finds no memory, Permanent(internal) when this machine cannot
        use it, Fatal when the whole process cannot work without it.
        """

    def diarizer(self) -> Diarizer:
        """The diarizer of this service."""
