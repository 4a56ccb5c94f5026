"""Engines that say what they are told, and everything else of a stage as it is: for tests of what stands around them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gpu_consumers.audio.cache import AudioCache
from gpu_consumers.audio.fetch import Fetcher, FetchLimits
from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.engines.protocols import Checkpoints, Diarizer, SpeakerBounds, Transcriber, TranscriptionOptions
from gpu_consumers.pipeline.claim_check import ClaimCheckStore
from gpu_consumers.pipeline.recordings import Recordings
from gpu_consumers.pipeline.stages import DiarizeStage, StageParts, TranscribeStage
from schemas.errors import NotOwner
from schemas.events import Event, ModelInfo, Stage
from schemas.models.registry import load_registry
from schemas.transcript import Word
from schemas.wire.serde import Serde
from sink.memory import MemoryObjectStore
from tests.samples import AT

WORDS = (Word(start=0.2, end=0.6, text="hello"), Word(start=1.4, end=1.8, text="there"))
TURNS = (Turn(0.0, 1.0, "x"), Turn(1.2, 2.0, "y"))


@dataclass
class ScriptedTranscriber:
    """Hears `words` in whatever is not silence, and none in channels that are as loud as `deaf_from`."""

    words: tuple[Word, ...] = WORDS
    info: ModelInfo = field(default_factory=lambda: ModelInfo(name="scripted", digest="0", compute_type="none"))
    asked: list[TranscriptionOptions] = field(default_factory=list)
    deaf_from: float = 2.0

    def transcribe(
        self, samples: Samples, wishes: TranscriptionOptions, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> ChannelTranscript:
        self.asked.append(wishes)
        progress(0.0)
        progress(len(samples) / SAMPLE_RATE)
        words = self.words if 0.01 < abs(samples).max() < self.deaf_from else ()
        return ChannelTranscript(wishes.language or "en", None, words)


@dataclass
class ScriptedDiarizer:
    """Finds `turns`, or raises `error`."""

    turns: tuple[Turn, ...] = TURNS
    error: Exception | None = None
    info: ModelInfo = field(default_factory=lambda: ModelInfo(name="scripted-turns", digest="0", compute_type="none"))
    asked: list[SpeakerBounds] = field(default_factory=list)
    loudest: list[float] = field(default_factory=list)  # of the samples that were handed over

    def diarize(
        self, samples: Samples, bounds: SpeakerBounds, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> tuple[Turn, ...]:
        self.asked.append(bounds)
        self.loudest.append(float(abs(samples).max()))
        progress(0.0)
        if self.error is not None:
            raise self.error
        return self.turns


@dataclass
class ScriptedEngines:
    """Both of them."""

    heard: ScriptedTranscriber = field(default_factory=ScriptedTranscriber)
    found: ScriptedDiarizer = field(default_factory=ScriptedDiarizer)

    def transcriber(self, name: str) -> Transcriber:
        return self.heard

    def diarizer(self) -> Diarizer:
        return self.found


@dataclass
class Reports:
    """The runtime's side: remembers what was reported, and takes the job away after so many looks."""

    looks: int = 10**9
    reports: list[tuple[Stage, float, float | None]] = field(default_factory=list)
    advances: int = 0
    suspect: bool = False

    def report(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> None:
        self.reports.append((stage, done_seconds, total_seconds))

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise NotOwner("another process has it")

    def advanced(self) -> None:
        self.advances += 1


class NoWeb:
    """No address of the web answers here."""

    def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        deadline_seconds: float,
        check: Callable[[], None] | None = None,
        check_host: Callable[[str], None],
    ) -> object:
        raise AssertionError(f"{url} was called")


@dataclass
class StageHarness:
    """Two stages over an object store in memory and a cache on disk."""

    folder: Path
    inline: int = 500_000
    engines: ScriptedEngines = field(default_factory=ScriptedEngines)
    store: MemoryObjectStore = field(default_factory=lambda: MemoryObjectStore("scribe"))
    policies: Policies = field(default_factory=Policies)

    def __post_init__(self) -> None:
        self.serde = Serde()
        fetcher = Fetcher(NoWeb(), self.store, FetchLimits(10**8, 60.0))
        recordings = Recordings(fetcher, AudioCache(self.folder, 10**8), 600.0)
        self.parts = StageParts(
            self.serde, self.engines, recordings, ClaimCheckStore(self.store, self.inline), self.policies, lambda: AT
        )
        self.transcribe = TranscribeStage(parts=self.parts, registry=load_registry())
        self.diarize = DiarizeStage(parts=self.parts)

    def delivery(self, topic: str, event: Event, attempt: int = 1) -> Delivery:
        """The event as it comes from Kafka."""
        headers = {"scribe-attempt": str(attempt)}
        return Delivery(topic, 0, 0, None, self.serde.encode(event), headers)
