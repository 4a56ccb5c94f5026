"""The two stages around scripted engines: what goes in and what comes out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.core.speech.assembly import NO_SPEECH
from gpu_consumers.engines.checkpoints import NoCheckpoints, StoredCheckpoints
from gpu_consumers.engines.protocols import SpeakerBounds, TranscriptionOptions
from schemas.errors import NotAllowed, NotAllowedYet, Permanent
from schemas.events import (
    Channels,
    JobResult,
    Outcome,
    Source,
    Stage,
    TenantPolicy,
    TranscriptReady,
)
from schemas.topics import DIARIZERS, JOBS, JOBS_EXPRESS, TRANSCRIBERS, TRANSCRIPTS
from schemas.wire.object_keys import upload_key
from schemas.wire.serde import decode_transcript
from tests.gpu_consumers.pipeline.staging import CALL, MONO, UPLOAD, diarized, ready, request, transcribed
from tests.gpu_consumers.scripted import Reports, StageHarness
from tests.media_files import Sound, encoded, in_turn, muxed, tone, voice, wave
from tests.samples import AT, BARE_REQUEST


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


@pytest.mark.parametrize("lone", [0, 1])
def test_a_channel_beside_one_without_words_is_diarized(rig: StageHarness, lone: int) -> None:
    """Tones on the other one make no call of it; the diarizer hears the channel with the words and nothing else."""
    talk, tones = 0.3 * in_turn(tone(4.0, 300), tone(4.0, 700))[:, 0], in_turn(tone(4.0, 300), tone(4.0, 700))[:, 1]
    body = encoded(np.stack([talk, tones] if lone == 0 else [tones, talk], axis=1))
    rig.store.put(upload_key("acme", UPLOAD), body, content_type="audio/wav")
    rig.engines.heard.deaf_from = 0.2
    event = transcribed(rig, request())
    assert isinstance(event, TranscriptReady)
    assert event.audio.channels == 2
    result = diarized(rig, event)
    assert rig.engines.found.loudest == [pytest.approx(0.09, abs=0.02)]
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert result.transcript is not None
    (warning,) = result.transcript.warnings
    assert f"nobody speaks on any channel but {lone + 1} of 2" in warning
    split = transcribed(rig, request(channels=Channels.SPLIT))
    assert isinstance(split, JobResult)
    assert split.speakers == ("SPEAKER_00",)


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
