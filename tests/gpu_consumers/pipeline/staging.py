"""Jobs for the two stages, and what these make of them."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas.events import (
    JobRequested,
    JobResult,
    Options,
    Source,
    TranscriptReady,
)
from schemas.topics import JOBS, RESULTS, TRANSCRIPTS
from tests.gpu_consumers.scripted import Reports, StageHarness
from tests.media_files import encoded, in_turn, tone
from tests.samples import BARE_REQUEST

UPLOAD = UUID(int=9)

MONO = encoded(tone(2.0), "ogg")

CALL = encoded(in_turn(tone(2.0, 300), tone(2.0, 700), turn=1.0))


def request(**options: Any) -> JobRequested:
    return replace(BARE_REQUEST, source=Source(uri=f"upload://{UPLOAD}"), options=Options(**options))


def transcribed(
    rig: StageHarness, wanted: JobRequested, work: Reports | None = None, attempt: int = 1
) -> TranscriptReady | JobResult:
    job = rig.transcribe.decode(rig.delivery(JOBS, wanted, attempt))
    ((emission),) = rig.transcribe.run(job, work or Reports())
    assert isinstance(emission.event, TranscriptReady | JobResult)
    assert emission.topic == (TRANSCRIPTS if isinstance(emission.event, TranscriptReady) else RESULTS)
    return emission.event


def diarized(rig: StageHarness, event: TranscriptReady, attempt: int = 1, work: Reports | None = None) -> JobResult:
    job = rig.diarize.decode(rig.delivery(TRANSCRIPTS, event, attempt))
    ((emission),) = rig.diarize.run(job, work or Reports())
    assert emission.topic == RESULTS
    assert isinstance(emission.event, JobResult)
    return emission.event


def ready(rig: StageHarness, **options: Any) -> TranscriptReady:
    event = transcribed(rig, request(**options))
    assert isinstance(event, TranscriptReady)
    return event
