"""One full and one bare value of every event, the same in every run."""

from datetime import UTC, datetime
from uuid import UUID

from schemas.events import (
    Audio,
    Channels,
    ClaimCheck,
    EnhancementRequest,
    EnhancementResult,
    Entity,
    Event,
    JobControl,
    JobError,
    JobProgress,
    JobRequested,
    JobResult,
    ModelInfo,
    Options,
    Outcome,
    Priority,
    Source,
    Stage,
    Task,
    TenantPolicy,
    TranscriptReady,
    event_id,
)
from schemas.transcript import Segment, Transcript, Word

JOB = UUID("11111111-2222-4333-8444-555555555555")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SHA = "ab" * 32

BARE_REQUEST = JobRequested(
    job_id=JOB, tenant="acme", source=Source(uri="https://media.example/call.opus"), requested_at=AT
)
FULL_REQUEST = JobRequested(
    job_id=JOB,
    run=3,
    tenant="acme",
    recording_id="call-17",
    source=Source(uri="s3://scribe/acme/call.wav", sha256=SHA, size_bytes=123456, name="שיחה 17.wav"),
    options=Options(
        model="large-v3",
        language="he",
        task=Task.TRANSLATE,
        diarize=False,
        num_speakers=2,
        min_speakers=1,
        max_speakers=4,
        channels=Channels.SPLIT,
        hotwords="Scribe, Rabbit",
        prompt="שלום",
        word_timestamps=False,
        track="2",
    ),
    enhancement=EnhancementRequest(
        enhancement_id=UUID(int=7), summarization=True, entity_extraction=True, llm_model="m"
    ),
    webhook_url="https://hooks.example/in",
    priority=Priority.EXPRESS,
    requested_at=AT,
    expires_at=AT,
    metadata={"crm": "42", "ключ": "значение"},
)
TRANSCRIPT = Transcript(
    language="en",
    language_probability=0.75,
    duration=2.5,
    segments=(
        Segment(
            start=0.25,
            end=1.5,
            text="hello there",
            speaker="SPEAKER_00",
            channel=0,
            words=(
                Word(start=0.25, end=0.5, text="hello", probability=0.5, speaker="SPEAKER_00"),
                Word(start=0.75, end=1.5, text="there", space_before=True, language="en"),
            ),
        ),
        Segment(start=1.5, end=2.5, text="שלום", language="he"),
    ),
    warnings=("a warning",),
    speech=2.25,
    uncovered=0.5,
)
AUDIO = Audio(uri="s3://scribe/acme/call.wav", duration=2.5, channels=2, sha256=SHA)
MODEL = ModelInfo(name="large-v3", digest=SHA, compute_type="int8")
ERROR = JobError(kind="media", code="media_empty", message="The file is empty.")
CLAIM = ClaimCheck(uri="s3://scribe/acme/claim.avro", size_bytes=700_000, sha256=SHA)


def _ids(kind: str, subject: str = "", run: int = 1) -> dict[str, UUID | int | str]:
    return {"event_id": event_id(JOB, kind, run, subject), "job_id": JOB, "run": run, "tenant": "acme"}


SAMPLES: dict[str, Event] = {
    "JobRequested-full": FULL_REQUEST,
    "JobRequested-bare": BARE_REQUEST,
    "TranscriptReady-full": TranscriptReady(
        **_ids("TranscriptReady"),  # type: ignore[arg-type]
        request=FULL_REQUEST,
        audio=AUDIO,
        transcript=TRANSCRIPT,
        model=MODEL,
        timings={"decode": 0.5},
        completed_at=AT,
    ),
    "TranscriptReady-claim": TranscriptReady(
        **_ids("TranscriptReady"),  # type: ignore[arg-type]
        request=BARE_REQUEST,
        audio=AUDIO,
        claim_check=CLAIM,
        model=MODEL,
        completed_at=AT,
    ),
    "JobResult-completed": JobResult(
        **_ids("JobResult"),  # type: ignore[arg-type]
        request=FULL_REQUEST,
        outcome=Outcome.COMPLETED,
        audio=AUDIO,
        transcript=TRANSCRIPT,
        speakers=("SPEAKER_00",),
        models=(MODEL,),
        timings={"decode": 0.5, "diarize": 1.25},
        completed_at=AT,
    ),
    "JobResult-failed": JobResult(
        **_ids("JobResult"),  # type: ignore[arg-type]
        request=BARE_REQUEST,
        outcome=Outcome.FAILED,
        error=ERROR,
        completed_at=AT,
    ),
    "JobProgress-full": JobProgress(
        **_ids("JobProgress", "1/2"),  # type: ignore[arg-type]
        stage=Stage.TRANSCRIBING,
        attempt=1,
        sequence=2,
        done_seconds=10.5,
        total_seconds=60.0,
        worker="w",
        at=AT,
    ),
    "JobControl-full": JobControl(job_id=JOB, run=1, tenant="acme", by="key-1", at=AT),
    "EnhancementResult-full": EnhancementResult(
        **_ids("EnhancementResult", str(UUID(int=7))),  # type: ignore[arg-type]
        enhancement_id=UUID(int=7),
        outcome=Outcome.COMPLETED,
        summary="short",
        entities=(Entity(text="Monday", kind="date", start=0.5, end=1.0),),
        model="m",
        tokens=99,
        completed_at=AT,
    ),
    "TenantPolicy-full": TenantPolicy(
        tenant="acme",
        allowed_hosts=("media.example",),
        allowed_prefixes=("s3://bucket/",),
        models=("large-v3",),
        quotas={"queued": 100},
        retention_days={"audio": 30},
        inline=False,
        enhanced_ai=True,
        llm_models=("small",),
        at=AT,
    ),
}
