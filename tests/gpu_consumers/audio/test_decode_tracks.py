"""Tracks of a recording, and the place of its sound in time."""

from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE
from schemas.errors import Permanent
from schemas.events import Channels
from tests.gpu_consumers.audio.decoding import LOUDNESS, VOICE, decoded, first_sound, heard, load_mono, loudness
from tests.media_files import CODECS, RATE, Sound, muxed, tone


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_sound_that_begins_after_the_pictures_is_where_it_belongs(tmp_path: Path, container: str) -> None:
    result = decoded(tmp_path, muxed(container, Sound(VOICE, delays={0.0: 5.0}), film=True))
    assert result.duration == pytest.approx(17.0, abs=0.1)
    assert result.warnings == ()
    whole = first_sound(load_mono(VOICE, tmp_path)[:, 0])
    decoded(tmp_path, muxed(container, Sound(VOICE, delays={0.0: 5.0}), film=True))
    assert first_sound(heard(tmp_path)[:, 0]) == pytest.approx(5.0 + whole, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "libmp3lame"), ("webm", "libopus"), ("mp4", "aac")])
def test_a_pause_of_the_recorder_is_silence(tmp_path: Path, container: str, codec: str) -> None:
    """What follows is where the container says, and a pause is no loss."""
    result = decoded(tmp_path, muxed(container, Sound(VOICE, codec, delays={4.0: 20.0})))
    assert result.duration == pytest.approx(32.0, abs=0.1)
    assert result.warnings == ()
    samples = heard(tmp_path)[:, 0]
    assert loudness(samples[round(4.2 * SAMPLE_RATE) : round(23.8 * SAMPLE_RATE)]) < 1e-3
    assert loudness(samples[round(24.0 * SAMPLE_RATE) :]) == pytest.approx(LOUDNESS, rel=0.3)


def test_pauses_on_both_sides_of_a_minute_are_where_the_recorder_made_them(tmp_path: Path) -> None:
    """Sound is arranged a minute at a time: after 50 s of it come 10 s of pause, and 5 s after 70."""
    noise = (0.1 * np.random.default_rng(1).standard_normal(90 * RATE)).astype(np.float32)
    result = decoded(tmp_path, muxed("matroska", Sound(noise, "libopus", delays={50.0: 10.0, 70.0: 5.0})), limit=200.0)
    assert result.duration == pytest.approx(105.0, abs=0.1)
    seconds = heard(tmp_path)[: 105 * SAMPLE_RATE, 0].reshape(105, SAMPLE_RATE)
    quiet = [second for second in range(105) if loudness(seconds[second]) < 0.03]
    assert quiet == [*range(50, 60), *range(80, 85)]


def test_a_jump_of_days_is_passed_over_and_told(tmp_path: Path) -> None:
    result = decoded(tmp_path, muxed("matroska", Sound(VOICE, "libopus", delays={4.0: 300_000.0})), limit=1e6)
    assert result.duration == pytest.approx(12.0, abs=0.1)
    (warning,) = result.warnings
    assert warning.startswith("time stamps that jump by 300000 seconds were passed over")


def test_an_audiobook_with_chapters_is_a_recording(tmp_path: Path) -> None:
    """Chapters are a stream of data behind the sound, of a kind that the library has no decoder for."""
    result = decoded(tmp_path, muxed("ipod", Sound(VOICE), chapters=(5.0, 12.0)))
    assert result.duration == pytest.approx(12.0, abs=0.1)
    assert result.warnings == ()


def test_a_track_that_is_not_silent_is_heard(tmp_path: Path) -> None:
    """The flag of the default one does not make a silent one heard; what was not heard is named."""
    film = muxed("mp4", Sound(0 * VOICE), Sound(VOICE, language="heb"), film=True)
    result = decoded(tmp_path, film)
    assert result.warnings == ("audio track 2 (heb) was heard; not heard: track 1",)
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.1)


@pytest.mark.parametrize("container", ["mp4", "matroska", "ogg"])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_beep_is_not_heard_in_place_of_a_voice(tmp_path: Path, container: str, place: int) -> None:
    """The flag of the default one does not make a beep heard either; nor does being first."""
    beep = 0 * VOICE
    beep[4 * RATE : 4 * RATE + round(0.3 * RATE)] = tone(0.3, 1000.0)
    sounds = [Sound(VOICE if number == place else beep, CODECS[container]) for number in (1, 2, 3)]
    result = decoded(tmp_path, muxed(container, *sounds))
    assert result.warnings[0].startswith(f"audio track {place} was heard")
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.1)


def test_a_default_track_with_little_speech_is_heard(tmp_path: Path) -> None:
    """Whoever made the file knows what is music; without such a flag the track with most sound is heard."""
    little = VOICE * (np.arange(len(VOICE)) < 4 * RATE)
    for flag, number in ((True, 1), (False, 2)):
        tracks = Sound(little, "libopus", default=flag), Sound(VOICE, "libopus", default=False)
        result = decoded(tmp_path, muxed("matroska", *tracks))
        assert result.warnings == (f"audio track {number} was heard; not heard: track {3 - number}",)


def test_the_default_track_is_heard_before_others(tmp_path: Path) -> None:
    tracks = Sound(VOICE, "libopus", default=False, title="Comment\u202etary\n"), Sound(VOICE, "libopus", default=True)
    result = decoded(tmp_path, muxed("matroska", *tracks))
    assert result.warnings == ("audio track 2 was heard; not heard: track 1 ('Comment tary')",)


def test_a_track_may_be_chosen(tmp_path: Path) -> None:
    source = tmp_path / "recording"
    silent, loud, soft = 0 * VOICE, VOICE, 0.2 * VOICE
    tracks = [Sound(sound, "libopus", language=tag) for sound, tag in ((loud, "eng"), (silent, "heb"), (soft, "heb"))]
    source.write_bytes(muxed("matroska", *tracks))
    target = tmp_path / "samples.npy"
    for wanted, level, number in (("1", 1.0, 1), ("2", 0.0, 2), ("3", 0.2, 3), ("en", 1.0, 1), ("he", 0.2, 3)):
        result = decode(source, target, Channels.AUTO, 60.0, lambda _: None, track=wanted)
        assert loudness(load(target)) == pytest.approx(level * LOUDNESS, rel=0.1)
        assert result.warnings[-1].startswith(f"audio track {number} (")
    with pytest.raises(Permanent, match="no such audio track: 4; there are 3") as caught:
        decode(source, target, Channels.AUTO, 60.0, lambda _: None, track="4")
    assert caught.value.code == "media_no_track"


def test_silent_tracks_are_a_silent_recording(tmp_path: Path) -> None:
    result = decoded(tmp_path, muxed("matroska", Sound(0 * VOICE, "libopus"), Sound(0 * VOICE, "libopus")))
    assert result.duration == pytest.approx(12.0, abs=0.1)
