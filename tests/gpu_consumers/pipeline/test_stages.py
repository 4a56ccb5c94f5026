"""The two stages around scripted engines: what goes in, what comes out, and what becomes of failures."""

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import pytest

from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.core.delivery.error_policy import ErrorPolicy, classify
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.core.speech.assembly import NO_SPEECH
from gpu_consumers.core.speech.merge import FAILED
from gpu_consumers.engines.checkpoints import NoCheckpoints, StoredCheckpoints
from gpu_consumers.engines.protocols import SpeakerBounds, TranscriptionOptions
from schemas.errors import NotAllowed, NotAllowedYet, NotOwner, Outage, Permanent, Poison, Transient
from schemas.events import (
    Channels,
    ClaimCheck,
    JobRequested,
    JobResult,
    Options,
    Outcome,
    Source,
    Stage,
    TenantPolicy,
    TranscriptReady,
)
from schemas.retries.topic_ladder import RetryPolicy
from schemas.topics import DIARIZERS, JOBS, JOBS_EXPRESS, RESULTS, TRANSCRIBERS, TRANSCRIPTS
from schemas.wire.object_keys import audio_key, claim_key, upload_key
from schemas.wire.serde import decode_transcript
from sink.memory import MemoryObjectStore
from tests.gpu_consumers.scripted import Reports, StageHarness
from tests.media_files import Sound, encoded, in_turn, muxed, tone, voice, wave
from tests.samples import AT, BARE_REQUEST

UPLOAD = UUID(int=9)
MONO = encoded(tone(2.0), "ogg")
CALL = encoded(in_turn(tone(2.0, 300), tone(2.0, 700), turn=1.0))


@pytest.fixture
def rig(tmp_path: Path) -> StageHarness:
    made = StageHarness(tmp_path)
    made.store.put(upload_key("acme", UPLOAD), MONO, content_type="audio/ogg")
    return made


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


def test_long_recordings_and_suspects_leave_checkpoints(rig: StageHarness) -> None:
    """A suspect of any length does so soon: what comes further shows that it kills nobody."""
    made = rig.diarize.parts.checkpoints
    short, suspect = (made(Reports(suspect=each), BARE_REQUEST, 90.0) for each in (False, True))
    assert isinstance(short, NoCheckpoints)
    assert isinstance(suspect, StoredCheckpoints)
    long = made(Reports(), BARE_REQUEST, 600.0)
    assert isinstance(long, StoredCheckpoints)
    assert (short.seconds, suspect.seconds, long.seconds) == (60.0, 60.0, 60.0)
    assert (suspect.every, long.every) == (10.0, 60.0)
    assert suspect.prefix == long.prefix
    parts = replace(rig.diarize.parts, checkpoint_seconds=0.0)
    assert parts.checkpoints(Reports(suspect=True), BARE_REQUEST, 600.0) is None


def test_a_recording_becomes_words_and_then_speakers(rig: StageHarness) -> None:
    """The whole way; both models, all timings, and the same ids whenever it is done again."""
    assert (rig.transcribe.group, rig.transcribe.topics) == (TRANSCRIBERS, (JOBS, JOBS_EXPRESS))
    assert (rig.diarize.group, rig.diarize.topics) == (DIARIZERS, (TRANSCRIPTS,))
    work = Reports()
    event = transcribed(rig, request(language="en", num_speakers=2), work)
    assert isinstance(event, TranscriptReady)
    assert work.reports[0] == (Stage.TRANSCRIBING, 0.0, None)
    assert work.reports[-1][1:] == pytest.approx((2.0, 2.0), abs=0.1)
    assert rig.engines.heard.asked == [TranscriptionOptions("en")]
    assert event.audio.uri == rig.store.uri(upload_key("acme", UPLOAD))
    assert event.request.source.uri == f"upload://{UPLOAD}"

    result = diarized(rig, event)
    assert rig.engines.found.asked == [SpeakerBounds(2)]
    assert result.outcome is Outcome.COMPLETED
    assert result.transcript is not None
    assert [(s.text, s.speaker) for s in result.transcript.segments] == [
        ("hello", "SPEAKER_00"),
        ("there", "SPEAKER_01"),
    ]
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert [model.name for model in result.models] == ["scripted", "scripted-turns"]
    assert result.timings.keys() == {"fetch", "decode", "transcribe", "load_audio", "diarize", "merge"}
    assert result.event_id == diarized(rig, event).event_id
    assert rig.serde.decode(rig.serde.encode(result), JobResult) == result


def test_the_next_stage_may_run_elsewhere(rig: StageHarness, tmp_path: Path) -> None:
    """With an empty cache it fetches and decodes the recording itself."""
    event = ready(rig)
    for path in tmp_path.glob("*.npy"):
        path.unlink()
    assert diarized(rig, event).speakers == ("SPEAKER_00", "SPEAKER_01")


@pytest.mark.parametrize("options", [{"diarize": False}, {"num_speakers": 1}])
def test_what_needs_no_turns_is_a_result_at_once(rig: StageHarness, options: dict[str, Any]) -> None:
    event = transcribed(rig, request(**options))
    assert isinstance(event, JobResult)
    assert event.speakers == (() if "diarize" in options else ("SPEAKER_00",))
    assert [model.name for model in event.models] == ["scripted"]


def test_a_call_has_one_speaker_a_channel(rig: StageHarness) -> None:
    """No diarization; progress counts both channels as one recording."""
    rig.store.put(upload_key("acme", UPLOAD), CALL, content_type="audio/wav")
    work = Reports()
    event = transcribed(rig, request(), work)
    assert isinstance(event, JobResult)
    assert event.transcript is not None
    assert {(s.channel, s.speaker) for s in event.transcript.segments} == {(0, "SPEAKER_00"), (1, "SPEAKER_01")}
    assert event.audio is not None
    assert event.audio.channels == 2
    done = [report[1] for report in work.reports]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(2.0, abs=0.1)


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


def test_what_was_lost_of_a_recording_stands_in_its_transcript(rig: StageHarness) -> None:
    body = encoded(voice(6.0), "ogg")
    rig.store.put(upload_key("acme", UPLOAD), body[:20_000] + bytes(8_000) + body[28_000:], content_type="audio/ogg")
    event = transcribed(rig, request())
    assert event.transcript is not None
    (warning,) = (each for each in event.transcript.warnings if "damaged" in each)
    assert "seconds of the recording are damaged and were not heard" in warning


def test_as_many_channels_as_a_job_wants_are_as_many_speakers(rig: StageHarness) -> None:
    people = in_turn(*(voice(6.0, hertz) for hertz in (110, 140, 180)))
    rig.store.put(upload_key("acme", UPLOAD), wave(people), content_type="audio/wav")
    event = transcribed(rig, request(channels=Channels.SPLIT))
    assert isinstance(event, JobResult)
    assert event.audio is not None
    assert event.transcript is not None
    assert event.audio.channels == 3
    assert {segment.channel for segment in event.transcript.segments} == {0, 1, 2}
    assert len(event.speakers) == 3


def test_the_track_that_a_job_wants_is_heard_by_both_stages(rig: StageHarness) -> None:
    """Nor does the cache hand one job's track to another job of the same file."""
    film = muxed("mp4", Sound(voice(2.0), language="eng"), Sound(voice(3.0), language="heb"))
    rig.store.put(upload_key("acme", UPLOAD), film, content_type="video/mp4")
    for track, seconds in (("1", 2.0), ("he", 3.0), (None, 2.0), ("2", 3.0)):
        event = ready(rig, track=track)
        assert event.audio.duration == pytest.approx(seconds, abs=0.1)
        samples = rig.parts.recordings.again(event, lambda: None)
        assert len(samples) / SAMPLE_RATE == pytest.approx(seconds, abs=0.1)
    with pytest.raises(Permanent, match=r"no such audio track: fr; there are 2 .*: 1 \(eng\), 2 \(heb\)") as caught:
        transcribed(rig, request(track="fr"))
    assert caught.value.code == "media_no_track"


def test_silence_is_a_result_with_a_warning(rig: StageHarness) -> None:
    rig.store.put(upload_key("acme", UPLOAD), encoded(0 * tone(2.0)), content_type="audio/wav")
    event = transcribed(rig, request())
    assert isinstance(event, JobResult)
    assert event.transcript is not None
    assert (event.outcome, event.transcript.segments, event.transcript.warnings) == (
        Outcome.COMPLETED,
        (),
        (NO_SPEECH,),
    )


def test_word_times_are_left_out_when_not_wanted(rig: StageHarness) -> None:
    """The diarizer needs them all the same."""
    event = ready(rig, word_timestamps=False)
    result = diarized(rig, event)
    assert result.transcript is not None
    assert [(s.text, s.words) for s in result.transcript.segments] == [("hello", ()), ("there", ())]
    alone = transcribed(rig, request(word_timestamps=False, diarize=False))
    assert isinstance(alone, JobResult)
    assert alone.transcript is not None
    assert all(not segment.words for segment in alone.transcript.segments)


def test_the_models_default_language_counts(rig: StageHarness) -> None:
    """The default model may not detect languages."""
    ready(rig)
    assert rig.engines.heard.asked[0].language == "he"


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


@pytest.mark.parametrize(
    ("policy", "uri", "code"),
    [
        (None, f"upload://{UPLOAD}", "unknown_tenant"),
        ({"models": ("another",)}, f"upload://{UPLOAD}", "model_not_allowed"),
        ({"allowed_prefixes": ("s3://scribe/other/calls/",)}, "s3://scribe/other/x", "source_refused"),
        ({}, "s3://archive/x", "source_refused"),
    ],
)
def test_a_policy_is_kept_by_jobs_that_came_past_the_door(
    tmp_path: Path, policy: dict[str, Any] | None, uri: str, code: str
) -> None:
    """At the second attempt: a policy that lets them in may be on its way at the first."""
    rig = StageHarness(tmp_path, policies=Policies("deny"))
    if policy is not None:
        rig.policies.add(TenantPolicy(tenant="acme", at=AT, **policy))
    wanted = replace(request(), source=Source(uri=uri))
    with pytest.raises(NotAllowedYet):
        transcribed(rig, wanted)
    with pytest.raises(NotAllowed) as caught:
        transcribed(rig, wanted, attempt=2)
    assert caught.value.code == code
    assert rig.engines.heard.asked == []


def test_a_recording_below_an_allowed_prefix_is_copied_for_the_next_stage(rig: StageHarness) -> None:
    """Its owner may delete it, and what we delete later is not its."""
    archive, key = rig.store.elsewhere("s3://archive/calls/x.ogg")
    archive.put(key, MONO, content_type="audio/ogg")
    rig.policies.add(TenantPolicy(tenant="acme", allowed_prefixes=("s3://archive/calls/",), at=AT))
    event = transcribed(rig, replace(request(), source=Source(uri="s3://archive/calls/x.ogg")))
    assert isinstance(event, TranscriptReady)
    assert rig.store.get(rig.store.key(event.audio.uri)) == MONO
    assert event.audio.uri.startswith(f"s3://scribe/acme/{event.job_id}/audio/")
    assert diarized(rig, event).outcome is Outcome.COMPLETED


def test_no_transcript_of_a_tenant_that_wants_none_there_travels_in_an_event(rig: StageHarness) -> None:
    rig.policies.add(TenantPolicy(tenant="acme", inline=False, at=AT))
    event = ready(rig)
    result = diarized(rig, event)
    assert event.transcript is None is result.transcript
    assert event.claim_check is not None is not result.claim_check


def test_large_transcripts_travel_by_claim_check(tmp_path: Path) -> None:
    """Both events; the object says the same, and a second attempt takes what the first one kept."""
    rig = StageHarness(tmp_path, inline=10)
    rig.store.put(upload_key("acme", UPLOAD), MONO, content_type="audio/ogg")
    event = ready(rig)
    assert event.transcript is None
    result = diarized(rig, event)
    assert result.transcript is None
    assert result.claim_check is not None
    kept = decode_transcript(rig.store.get(rig.store.key(result.claim_check.uri)))
    assert kept.speakers == result.speakers == ("SPEAKER_00", "SPEAKER_01")
    rig.engines.found.turns = ()
    again = diarized(rig, event)
    assert again.claim_check == result.claim_check
    assert again.speakers == result.speakers


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
