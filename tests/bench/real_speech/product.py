"""The product: both stages as scribe-gpu runs them, over objects in memory."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from gpu_consumers.audio.cache import AudioCache
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.fetch import Fetcher, FetchLimits
from gpu_consumers.audio.samples import Samples
from gpu_consumers.core.delivery.messages import Delivery
from gpu_consumers.engines.loader import LoadedEngines
from gpu_consumers.pipeline.claim_check import ClaimCheckStore
from gpu_consumers.pipeline.recordings import Recordings
from gpu_consumers.pipeline.stages import DiarizeStage, StageParts, TranscribeStage, utc_now
from schemas.events import Channels, Event, JobRequested, JobResult, Options, Source, TranscriptReady
from schemas.models.registry import ModelRegistry
from schemas.settings.gpu import GpuSettings, ModelSettings
from schemas.transcript import Transcript
from schemas.wire.object_keys import upload_key
from schemas.wire.serde import Serde, decode_transcript
from sink.memory import MemoryObjectStore
from tests.bench.real_speech.listening import Duration, Watched
from tests.gpu_consumers.scripted import NoWeb, Reports

TENANT = "measured"
MOST_BYTES, MOST_SECONDS = 10**10, 36_000.0


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job; how long its engines took, and the whole of both stages, fetching and decoding included."""

    transcript: Transcript
    transcribing: Duration
    diarizing: Duration
    whole: Duration


class Product:
    """Jobs in, transcripts out."""

    def __init__(self, registry: ModelRegistry, engines: LoadedEngines, folder: Path) -> None:
        """`folder`: for the decoded recordings."""
        self._registry = registry
        self._engines = engines
        self._store = MemoryObjectStore()
        fetcher = Fetcher(NoWeb(), self._store, FetchLimits(MOST_BYTES, 60.0))
        self._recordings = Recordings(fetcher, AudioCache(folder, MOST_BYTES), MOST_SECONDS)
        self._serde = Serde()

    def transcribe(self, path: Path, options: Options) -> Done:
        """The transcript of a file; raises what a stage raises."""
        upload, watched, whole = uuid4(), Watched(self._engines), Duration()
        self._store.put(upload_key(TENANT, upload), path.read_bytes(), content_type="application/octet-stream")
        request = JobRequested(
            job_id=upload,
            tenant=TENANT,
            source=Source(uri=f"upload://{upload}"),
            options=options,
            requested_at=utc_now(),
        )
        with whole.measured():
            transcript = self._run(request, watched)
        return Done(transcript, watched.transcribing, watched.diarizing, whole)

    def _run(self, request: JobRequested, watched: Watched) -> Transcript:
        claims = ClaimCheckStore(self._store, 512_000)
        parts = StageParts(self._serde, watched, self._recordings, claims)
        transcribe = TranscribeStage(parts=parts, registry=self._registry)
        (emission,) = transcribe.run(transcribe.decode(self._delivery(request)), Reports())
        if isinstance(emission.event, TranscriptReady):
            diarize = DiarizeStage(parts=parts)
            (emission,) = diarize.run(diarize.decode(self._delivery(emission.event)), Reports())
        result = emission.event
        assert isinstance(result, JobResult)
        if result.transcript is not None:
            return result.transcript
        assert result.claim_check is not None
        return decode_transcript(self._store.get(self._store.key(result.claim_check.uri)))

    def _delivery(self, event: Event) -> Delivery:
        return Delivery("measured", 0, 0, None, self._serde.encode(event))


def engines_of(registry: ModelRegistry, device: str) -> LoadedEngines:
    """The engines as a GPU process loads them for one job at a time, with all processors for it."""
    gpu = GpuSettings.model_validate({"device": device, "transcribe_workers": 1})
    return LoadedEngines(registry, ModelSettings(), gpu)


def decoded(path: Path, folder: Path) -> tuple[Samples, float]:
    """The samples of a file as the product decodes them into one channel, and their seconds."""
    target = folder / "samples.npy"
    found = decode(path, target, Channels.MIX, MOST_SECONDS, lambda _: None)
    samples: Samples = np.array(load(target)[:, 0])
    return samples, found.duration
