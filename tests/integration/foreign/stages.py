"""The real stages around scripted engines, with recordings that are there at once: what is tried is all the rest."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gpu_consumers.audio.decode import Decoded
from gpu_consumers.audio.fetch import Fetched
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.delivery.messages import StageRunner
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.pipeline.claim_check import ClaimCheckStore
from gpu_consumers.pipeline.recordings import Recording, Recordings
from gpu_consumers.pipeline.stages import DiarizeStage, StageParts, TranscribeStage
from gpu_consumers.pipeline.timings import Stopwatch
from schemas.events import JobRequested, TenantPolicy, TranscriptReady
from schemas.models.registry import load_registry
from schemas.settings.processes import GpuProcess
from schemas.wire.serde import Serde
from sink.objects.s3 import S3ObjectStore
from tests.gpu_consumers.scripted import ScriptedEngines

SHA = "0" * 64
SAMPLES: Samples = np.full((2 * SAMPLE_RATE, 1), 0.1, np.float32)


class ReadyRecordings(Recordings):
    """Two seconds of a sound for every job, fetched from nowhere."""

    def __init__(self) -> None:
        """There is nothing to fetch with."""

    @contextmanager
    def fresh(
        self, request: JobRequested, policy: TenantPolicy, check: Callable[[], None], watch: Stopwatch
    ) -> Iterator[Recording]:
        check()
        yield Recording(SAMPLES, Decoded(2.0, 1), Fetched(Path("recording"), SHA, 1, None))

    def keep(self, request: JobRequested, fetched: Fetched) -> str:
        return f"s3://scribe/{request.tenant}/{request.job_id}/recording"

    def again(self, event: TranscriptReady, check: Callable[[], None]) -> Samples:
        check()
        return SAMPLES


def scripted_stages(_: Sequence[str], serde: Serde, settings: GpuProcess, policies: Policies) -> Sequence[StageRunner]:
    """Both stages; see gpu_consumers.pipeline.stages.create_stages."""
    claims = ClaimCheckStore(S3ObjectStore(settings), settings.inline_max_bytes)
    parts = StageParts(serde, ScriptedEngines(), ReadyRecordings(), claims, policies, checkpoint_seconds=0.0)
    return (
        TranscribeStage(parts=parts, registry=load_registry(), workers=settings.transcribe_workers),
        DiarizeStage(parts=parts, workers=settings.diarize_workers),
    )
