"""Protocols of engines: samples in, words or turns out; nothing here knows which library does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gpu_consumers.audio.samples import Progress, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.core.speech.merge import Turn
from schemas.events import ModelInfo, Task

Part = TypeVar("Part")


class Checkpoints(Protocol):
    """How far the work on a long recording came, kept where the next process finds it; gpu_consumers.engines.checkpoints has them."""

    seconds: float
    """Of audio, at most so much is worked on in one go."""
    every: float
    """Of audio, after so much something is kept, so at most so much is done again after a crash."""

    def find(self, read: Callable[[bytes], Part | None], /) -> list[Part]:
        """What was kept, in order, up to the first one that `read` does not know; raises Outage."""

    def keep(self, part: bytes) -> None:
        """What was done since the last call."""


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """How a recording is to be transcribed; `language` None means that the model shall find out."""

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    hotwords: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerBounds:
    """What is known about the number of speakers; `exactly` overrides the others."""

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
        """Who speaks when in `samples` [n]: turns that do not overlap, in order of their start; none without speech.

        `progress` and `checkpoints` as with Transcriber. Raises Transient when the device is short of memory.
        """


class Engines(Protocol):
    """The models of this process, loaded when they are first asked for."""

    def transcriber(self, name: str) -> Transcriber:
        """The model of a registry entry, which the caller gives up when its job ends.

        Raises Transient while it cannot be fetched or finds no memory, Permanent(internal) when this machine cannot
        use it, Fatal when the whole process cannot work without it.
        """

    def diarizer(self) -> Diarizer:
        """The diarizer of this service."""
