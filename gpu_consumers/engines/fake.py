"""Fake stages that need no model; the metadata of their jobs determine the outcome.

`fake-seconds`: how long the work takes. `fake-outcome`: completed, permanent, poison, unexpected, large, noise, cuda, kill,
transient or outage; the last two end well at attempt, or try, number `fake-until` (2 if not given). `fake-stage`: where
that happens, transcribing if not given.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from uuid import UUID

from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, Work
from schemas.errors import Outage, Permanent, Poison, Transient
from schemas.events import Audio, JobRequested, JobResult, ModelInfo, Outcome, Stage, TranscriptReady, event_id
from schemas.topics import DIARIZERS, JOBS, RESULTS, TRANSCRIBERS, TRANSCRIPTS
from schemas.transcript import Segment, Transcript
from schemas.wire.serde import Serde

TICK = 0.02  # seconds between two looks at whether to stop
MODEL = ModelInfo(name="fake", digest="none", compute_type="none")


class FakeStage:
    """JobRequested in, JobResult out; implements gpu_consumers.core.delivery.messages.StageRunner."""

    stage = Stage.TRANSCRIBING

    def __init__(
        self,
        serde: Serde,
        *,
        group: str = TRANSCRIBERS,
        topics: tuple[str, ...] = (JOBS,),
        results: str = RESULTS,
        workers: int = 2,
        seconds: float = 0.0,
    ) -> None:
        """Create the stage; `seconds` is the duration of a job that names none."""
        self.group = group
        self.topics = topics
        self.workers = workers
        self._serde = serde
        self._results = results
        self._seconds = seconds
        self._tries: Counter[UUID] = Counter()
        self._lock = Lock()

    def decode(self, delivery: Delivery) -> Job:
        """See StageRunner."""
        request = self._serde.decode(delivery.value, JobRequested)
        return Job(delivery, request, request)

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """Wait, checking between ticks as engines do between batches; then end as the job's metadata say."""
        orders = job.request.metadata
        with self._lock:
            self._tries[job.request.job_id] += 1
            tries = self._tries[job.request.job_id]
        seconds = float(orders.get("fake-seconds", self._seconds))
        _wait(seconds, work, self.stage)
        if orders.get("fake-stage", Stage.TRANSCRIBING) == self.stage:
            _misbehave(orders, job.delivery.attempt, tries)
        return self._emit(job, orders)

    def _emit(self, job: Job, orders: Mapping[str, str]) -> tuple[Emission, ...]:
        return (Emission(self._results, fake_result(job.request, orders)),)


class FakeTranscriber(FakeStage):
    """FakeStage that passes jobs with diarization on to FakeDiarizer; both are needed then."""

    def _emit(self, job: Job, orders: Mapping[str, str]) -> tuple[Emission, ...]:
        if not job.request.options.diarize:
            return super()._emit(job, orders)
        return (Emission(TRANSCRIPTS, _transcribed(fake_result(job.request, orders))),)


class FakeDiarizer(FakeStage):
    """TranscriptReady in, JobResult out."""

    stage = Stage.DIARIZING

    def __init__(self, serde: Serde, *, workers: int = 1, seconds: float = 0.0) -> None:
        super().__init__(serde, group=DIARIZERS, topics=(TRANSCRIPTS,), workers=workers, seconds=seconds)

    def decode(self, delivery: Delivery) -> Job:
        """See StageRunner."""
        event = self._serde.decode(delivery.value, TranscriptReady)
        return Job(delivery, event, event.request)


def _wait(seconds: float, work: Work, stage: Stage) -> None:
    started = time.monotonic()
    while (done := time.monotonic() - started) < seconds:
        work.check()
        work.report(stage, done, seconds)
        time.sleep(min(TICK, seconds - done))
    work.check()


def _misbehave(orders: Mapping[str, str], attempt: int, tries: int) -> None:
    until = int(orders.get("fake-until", "2"))
    match orders.get("fake-outcome", "completed"):
        case "permanent":
            raise Permanent("media_no_audio", "as ordered")
        case "poison":
            raise Poison("as ordered")
        case "unexpected":
            raise ZeroDivisionError("as ordered")
        case "cuda":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "transient" if attempt < until:
            raise Transient(f"as ordered, attempt {attempt}")
        case "outage" if tries < until:
            raise Outage(f"as ordered, try {tries}")


def fake_result(request: JobRequested, orders: Mapping[str, str]) -> JobResult:
    """The result of a job that ends well; its metadata choose the text."""
    match orders.get("fake-outcome"):
        case "large":  # beyond any record
            text = "x" * 2_000_000
        case "noise":  # a few KB that do not compress
            text = os.urandom(4096).hex()
        case _:
            text = f"job {request.job_id}"
    result = JobResult(
        event_id=event_id(request.job_id, JobResult.KIND, request.run),
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request.without_query(),
        outcome=Outcome.COMPLETED,
        models=(MODEL,),
        completed_at=datetime.now(UTC),
    )
    audio = Audio(uri=request.without_query().source.uri, duration=1.0, channels=1, sha256="0" * 64)
    segments = (Segment(start=0.0, end=1.0, text=text),)
    return replace(result, audio=audio, transcript=Transcript(language="en", duration=1.0, segments=segments))


def _transcribed(result: JobResult) -> TranscriptReady:
    """The event that passes a result from the first of two stages to the second."""
    if result.audio is None:
        raise ValueError("a fake result has its audio")
    return TranscriptReady(
        event_id=event_id(result.job_id, TranscriptReady.KIND, result.run),
        job_id=result.job_id,
        run=result.run,
        tenant=result.tenant,
        request=result.request,
        audio=result.audio,
        transcript=result.transcript,
        model=MODEL,
        completed_at=result.completed_at,
    )
