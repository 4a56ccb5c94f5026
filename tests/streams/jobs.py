"""Events of one job as persist and webhooks get them."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from schemas.events import (
    Audio,
    JobError,
    JobProgress,
    JobRequested,
    JobResult,
    ModelInfo,
    Outcome,
    Source,
    Stage,
    event_id,
)
from schemas.transcript import Transcript
from tests.samples import AT, SHA, TRANSCRIPT

AUDIO = Audio(uri="s3://scribe/acme/call.wav", duration=2.5, channels=2, sha256=SHA)
MODEL = ModelInfo(name="large-v3", digest=SHA, compute_type="int8")


@dataclass(frozen=True)
class Job:
    """A job of its own, told about by its events."""

    job_id: UUID
    tenant: str = "acme"
    webhook_url: str | None = None

    def request(self, run: int = 1, **changes: Any) -> JobRequested:
        request = JobRequested(
            job_id=self.job_id,
            run=run,
            tenant=self.tenant,
            recording_id=f"call of run {run}",
            source=Source(uri="https://media.example/call.opus?token=secret"),
            webhook_url=self.webhook_url,
            requested_at=AT + timedelta(hours=run),
        )
        return replace(request, **changes)

    def progress(self, attempt: int, sequence: int, stage: Stage = Stage.TRANSCRIBING, run: int = 1) -> JobProgress:
        return JobProgress(
            event_id=event_id(self.job_id, "JobProgress", run, f"{stage}/{attempt}/{sequence}"),
            job_id=self.job_id,
            run=run,
            tenant=self.tenant,
            stage=stage,
            attempt=attempt,
            sequence=sequence,
            done_seconds=float(sequence),
            total_seconds=100.0,
            worker="w",
            at=AT,
        )

    def result(self, run: int = 1, outcome: Outcome = Outcome.COMPLETED, **changes: Any) -> JobResult:
        request = self.request(run).without_query()
        result = JobResult(
            event_id=event_id(self.job_id, "JobResult", run),
            job_id=self.job_id,
            run=run,
            tenant=self.tenant,
            request=request,
            outcome=outcome,
            audio=AUDIO,
            timings={"decode": 0.5},
            models=(MODEL,),
            completed_at=request.requested_at + timedelta(seconds=30),
        )
        if outcome is Outcome.COMPLETED:
            result = replace(result, transcript=TRANSCRIPT, speakers=TRANSCRIPT.speakers)
        if outcome is Outcome.FAILED:
            result = replace(result, error=JobError(kind="media", code="media_empty", message="The file is empty."))
        return replace(result, **changes)


def new_job(**values: Any) -> Job:
    """A job that no other test has."""
    return Job(job_id=uuid4(), **values)


def saying(text: str) -> Transcript:
    """The sample transcript with another text in its first segment."""
    first, *rest = TRANSCRIPT.segments
    return replace(TRANSCRIPT, segments=(replace(first, text=text), *rest))
