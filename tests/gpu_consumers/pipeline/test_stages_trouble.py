"""The two stages in trouble: whose fault a failure is, and what becomes of the job."""

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import pytest

from gpu_consumers.core.delivery.error_policy import ErrorPolicy, classify
from gpu_consumers.core.speech.merge import FAILED
from schemas.errors import NotOwner, Outage, Permanent, Poison, Transient
from schemas.events import (
    ClaimCheck,
    Options,
    Source,
)
from schemas.retries.topic_ladder import RetryPolicy
from schemas.topics import JOBS, TRANSCRIBERS
from schemas.wire.object_keys import audio_key, claim_key, upload_key
from sink.memory import MemoryObjectStore
from tests.gpu_consumers.pipeline.staging import MONO, UPLOAD, diarized, ready, request, transcribed
from tests.gpu_consumers.scripted import Reports, StageHarness
from tests.samples import AT


def test_a_harmless_file_that_a_library_stumbles_over_is_no_trouble_of_ours(
    rig: StageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at once with a code, without another attempt, and counts against nobody's tenant."""

    def stumble(*_: object, **__: object) -> None:
        raise AttributeError("'DataStream' object has no attribute 'decode'")

    monkeypatch.setattr(av, "open", stumble)
    job = rig.transcribe.decode(rig.delivery(JOBS, request()))
    with pytest.raises(Permanent) as caught:
        rig.transcribe.run(job, Reports())
    policy = ErrorPolicy(TRANSCRIBERS, retry=RetryPolicy(TRANSCRIBERS))
    settled = policy.settle(classify(caught.value), job.delivery, job, AT)
    assert (caught.value.code, settled.outcome, settled.service_fault) == ("not_media", "failed", None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": AT - timedelta(seconds=1)}, "expired"),
        ({"options": Options(model="nope")}, "unknown_model"),
        ({"options": Options(num_speakers=0)}, "invalid_request"),
        ({"run": 0}, "invalid_request"),
        ({"run": -1}, "invalid_request"),
        ({"tenant": ""}, "invalid_request"),
        ({"tenant": "a" * 64}, "invalid_request"),
        ({"tenant": "a/b"}, "invalid_request"),
        ({"tenant": "a\x00"}, "invalid_request"),
        ({"metadata": {str(number): "" for number in range(10_000)}}, "invalid_request"),
        ({"recording_id": "r" * 900_000}, "invalid_request"),
        ({"requested_at": datetime(1, 1, 1, tzinfo=UTC)}, "invalid_request"),
        ({"requested_at": datetime(9999, 12, 31, tzinfo=UTC)}, "invalid_request"),
        ({"source": Source(uri="")}, "source_refused"),
        ({"source": Source(uri="ftp://media.example/x")}, "source_refused"),
        ({"source": Source(uri=f"upload://{UUID(int=1)}")}, "source_not_found"),
        ({"source": Source(uri=f"upload://{UPLOAD}", size_bytes=1)}, "source_changed"),
    ],
)
def test_bad_requests_end_before_any_model(rig: StageHarness, changes: dict[str, Any], code: str) -> None:
    """Whatever came through a topic is checked as at the door."""
    with pytest.raises(Permanent) as caught:
        transcribed(rig, replace(request(), **changes))
    assert caught.value.code == code
    assert rig.engines.heard.asked == []


def moved(rig: StageHarness, claim: ClaimCheck, job_id: UUID, where: str) -> str:
    """The address of the same bytes where a tenant may put any."""
    key = {
        "an upload": upload_key("acme", UPLOAD),
        "a recording": audio_key("acme", job_id, claim.sha256),
        "another job's": claim_key("acme", UPLOAD, UPLOAD),
    }[where]
    rig.store.put(key, rig.store.get(rig.store.key(claim.uri)), content_type="avro/binary")
    return rig.store.uri(key)


@pytest.mark.parametrize(
    "spoil", ["changed", "gone", "foreign", "elsewhere", "longer", "an upload", "a recording", "another job's"]
)
def test_a_claim_that_is_not_as_announced_is_ours_to_mend(tmp_path: Path, spoil: str) -> None:
    """The client named no such address: nothing tells it to check one."""
    rig = StageHarness(tmp_path, inline=10)
    rig.store.put(upload_key("acme", UPLOAD), MONO, content_type="audio/ogg")
    event = ready(rig)
    claim = event.claim_check
    assert claim is not None
    match spoil:
        case "changed":
            rig.store.put(rig.store.key(claim.uri), b"something else", content_type="avro/binary")
        case "gone":
            rig.store.delete(rig.store.key(claim.uri))
        case "foreign":
            event = replace(event, claim_check=replace(claim, uri="s3://scribe/other/x"))
        case "elsewhere":
            event = replace(event, claim_check=replace(claim, uri="s3://another/acme/x"))
        case "longer":
            event = replace(event, claim_check=replace(claim, size_bytes=claim.size_bytes - 1))
        case _:
            event = replace(event, claim_check=replace(claim, uri=moved(rig, claim, event.job_id, spoil)))
    with pytest.raises(Permanent) as caught:
        diarized(rig, event)
    assert caught.value.code == "internal"


@pytest.mark.parametrize("duration", [float("nan"), float("inf"), -1.0])
def test_a_recording_of_no_length_that_can_be_fails_its_job(rig: StageHarness, duration: float) -> None:
    event = ready(rig)
    with pytest.raises(Permanent, match=r"audio\.duration"):
        diarized(rig, replace(event, audio=replace(event.audio, duration=duration)))


def test_an_event_without_transcript_and_claim_is_poison(rig: StageHarness) -> None:
    with pytest.raises(Poison):
        diarized(rig, replace(ready(rig), transcript=None))


def test_the_words_of_one_tenant_are_not_told_to_another_one(rig: StageHarness) -> None:
    """A record may say whose words are to be read, and inside it whose result they shall be."""
    event = ready(rig)
    stolen = replace(event, request=replace(event.request, tenant="globex"))
    with pytest.raises(Permanent, match="tenant: is not that of the request inside") as caught:
        diarized(rig, stolen)
    assert caught.value.code == "invalid_request"


def test_lost_audio_costs_the_speakers_not_the_words(rig: StageHarness, tmp_path: Path) -> None:
    """The recording was deleted or replaced before its second stage."""
    event = ready(rig)
    for path in tmp_path.glob("*.npy"):
        path.unlink()
    rig.store.put(upload_key("acme", UPLOAD), b"another", content_type="audio/ogg")
    result = diarized(rig, event)
    assert result.transcript is not None
    assert result.transcript.text == "hello there"
    assert result.transcript.warnings == (FAILED,)
    assert [model.name for model in result.models] == ["scripted"]


@pytest.mark.parametrize("error", [Transient("no memory"), ValueError("pyannote is confused")])
def test_a_failing_diarizer_has_a_second_try(rig: StageHarness, error: Exception) -> None:
    """Then the words are delivered without speakers."""
    event = ready(rig)
    rig.engines.found.error = error
    with pytest.raises(type(error)):
        diarized(rig, event)
    result = diarized(rig, event, attempt=2)
    assert result.transcript is not None
    assert result.transcript.warnings == (FAILED,)


@pytest.mark.parametrize("error", [Outage("away"), NotOwner("gone"), RuntimeError("CUDA: illegal memory access")])
def test_what_is_not_the_recordings_fault_passes(rig: StageHarness, error: Exception) -> None:
    """However often it was tried: another process will do it."""
    event = ready(rig)
    rig.engines.found.error = error
    with pytest.raises(type(error)):
        diarized(rig, event, attempt=4)


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_work_stops_when_the_job_is_lost(rig: StageHarness, looks: int) -> None:
    """Between fetching, decoding and batches; nothing is left on disk."""
    with pytest.raises(NotOwner):
        transcribed(rig, request(), Reports(looks=looks))
    assert not list(rig.folder.glob("work-*/*"))


class FullDisk(MemoryObjectStore):
    """Whatever is fetched finds no room."""

    def download(self, key: str, path: Path, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_full_disk_costs_no_job_its_attempts(rig: StageHarness, tmp_path: Path) -> None:
    """In both stages; not even the speakers, however often it was tried."""
    event = ready(rig)
    full = StageHarness(tmp_path / "full", store=FullDisk("scribe"))
    with pytest.raises(Outage, match="disk"):
        transcribed(full, request())
    with pytest.raises(Outage, match="disk"):
        diarized(full, event, attempt=4)
    assert not list((tmp_path / "full").glob("work-*/*"))


def test_undecodable_records_are_poison(rig: StageHarness) -> None:
    delivery = rig.delivery(JOBS, request())
    with pytest.raises(Poison):
        rig.transcribe.decode(replace(delivery, value=b"\x00\x00\x00\x00\x63nonsense"))
    with pytest.raises(Poison):
        rig.diarize.decode(delivery)
