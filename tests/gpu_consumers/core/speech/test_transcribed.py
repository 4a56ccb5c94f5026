"""What no transcriber wrote is refused with the field named, before anything of it is used."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from gpu_consumers.core.speech.transcribed import LONGEST_SECONDS, check_transcribed
from schemas.errors import Permanent
from schemas.events import Audio, TranscriptReady
from tests.samples import AUDIO, SAMPLES

READY = SAMPLES["TranscriptReady-claim"]


def ready(**changes: Any) -> TranscriptReady:
    assert isinstance(READY, TranscriptReady)
    return replace(READY, **changes)


def audio(**changes: Any) -> Audio:
    return replace(AUDIO, **changes)


def asked(**changes: Any) -> Any:
    return replace(ready().request, **changes)


def refused(event: TranscriptReady) -> str:
    with pytest.raises(Permanent) as caught:
        check_transcribed(event)
    assert caught.value.code == "invalid_request"
    return caught.value.detail


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (ready(tenant="globex"), "tenant"),
        (ready(request=asked(tenant="globex")), "tenant"),
        (ready(run=2), "run"),
        (ready(job_id=UUID(int=1)), "job_id"),
        (ready(tenant="../acme", request=asked(tenant="../acme")), "tenant"),
        (ready(run=0, request=asked(run=0)), "run"),
        (ready(audio=audio(duration=float("nan"))), "audio.duration"),
        (ready(audio=audio(duration=float("inf"))), "audio.duration"),
        (ready(audio=audio(duration=-0.1)), "audio.duration"),
        (ready(audio=audio(duration=2 * LONGEST_SECONDS)), "audio.duration"),
        (ready(audio=audio(channels=0)), "audio.channels"),
        (ready(request=asked(metadata={"\x00": ""})), "metadata"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_transcriber_writes_is_refused(event: TranscriptReady, field: str) -> None:
    assert field in refused(event)


def test_all_that_is_wrong_is_named() -> None:
    detail = refused(ready(run=2, audio=audio(duration=-1.0, channels=0)))
    assert all(field in detail for field in ("run", "audio.duration", "audio.channels"))


@pytest.mark.parametrize("seconds", [0.0, 0.2, LONGEST_SECONDS])
def test_what_a_transcriber_writes_is_taken(seconds: float) -> None:
    check_transcribed(ready(audio=audio(duration=seconds)))
