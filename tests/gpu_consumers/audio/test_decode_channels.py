"""Channels of a recording: split, mixed, muted or refused."""

from pathlib import Path

import numpy as np
import pytest

from gpu_consumers.audio.samples import SAMPLE_RATE
from schemas.errors import Permanent
from schemas.events import Channels
from tests.gpu_consumers.audio.decoding import CALL, LOUDNESS, VOICE, decoded, heard, load_mono, loudness
from tests.media_files import RATE, encoded, in_turn, tone, voice, wave


def later(samples: np.ndarray, seconds: float) -> np.ndarray:
    return np.pad(samples, (round(seconds * RATE), 0))[: len(samples)]


def test_two_people_on_two_channels_are_split(tmp_path: Path) -> None:
    """Each channel as it was."""
    result = decoded(tmp_path, encoded(CALL))
    samples = heard(tmp_path)
    assert (result.channels, samples.shape[1], result.warnings) == (2, 2, ())
    second = samples[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]
    assert loudness(second[:, 0]) < 0.01 * loudness(second[:, 1])


@pytest.mark.parametrize(
    "other",
    [VOICE, 0.6 * VOICE, 0.2 * VOICE, -VOICE, later(VOICE, 0.0005), later(VOICE, 0.1), -later(0.3 * VOICE, 0.01)],
    ids=["same", "softer", "-14 dB", "inverted", "half a millisecond", "100 ms", "all of it"],
)
@pytest.mark.parametrize("wish", [Channels.AUTO, Channels.MIX])
def test_one_voice_on_two_channels_is_heard_once(tmp_path: Path, other: np.ndarray, wish: Channels) -> None:
    """Whatever its level, sign and delay are on the other channel, and none of it is cancelled."""
    result = decoded(tmp_path, encoded(np.stack([VOICE, other], axis=1)), wish)
    assert (result.channels, result.warnings) == (1, ())
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.35)


@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_channel_is_told_and_the_live_one_is_heard_like_mono(tmp_path: Path, dead: int) -> None:
    """Silence or the hiss of an open input; several people may be on the other one."""
    hiss = 1e-3 * np.random.default_rng(1).standard_normal(len(VOICE)).astype(np.float32)
    for nothing in (0 * VOICE, hiss):
        channels = [VOICE, nothing] if dead else [nothing, VOICE]
        result = decoded(tmp_path, encoded(np.stack(channels, axis=1)))
        assert result.channels == 1
        assert result.warnings == (f"channel {dead + 1} of 2 holds nothing but silence or noise",)
        assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.1)


def test_a_line_that_lets_the_other_one_through_is_muted_meanwhile(tmp_path: Path) -> None:
    """Else each sentence would be written twice; what the channel's own person says stays."""
    leaking = (CALL + 0.1 * CALL[:, ::-1]).astype(np.float32)
    assert decoded(tmp_path, encoded(leaking)).channels == 2
    samples = heard(tmp_path)
    first, second = samples[: 2 * SAMPLE_RATE], samples[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]
    assert loudness(second[6000:-6000, 0]) < 1e-3
    assert loudness(second[:, 1]) == pytest.approx(loudness(load_mono(CALL[2 * RATE : 4 * RATE, 1], tmp_path)), rel=0.1)
    assert loudness(first[6000:-6000, 1]) < 1e-3


def test_jobs_may_order_what_becomes_of_channels(tmp_path: Path) -> None:
    """Any number of channels is heard each alone where a job wants it."""
    assert decoded(tmp_path, encoded(CALL), Channels.MIX).channels == 1
    assert decoded(tmp_path, encoded(np.stack([VOICE, VOICE], axis=1)), Channels.SPLIT).channels == 2
    assert decoded(tmp_path, encoded(tone(1.0)), Channels.SPLIT).channels == 1
    four = in_turn(*(voice(8.0, hertz) for hertz in (110, 140, 180, 220)))
    assert decoded(tmp_path, wave(four), Channels.SPLIT).channels == 4
    samples = heard(tmp_path)
    for channel in range(4):
        turn = samples[2 * channel * SAMPLE_RATE : 2 * (channel + 1) * SAMPLE_RATE]
        assert np.argmax([loudness(column) for column in turn.T]) == channel


@pytest.mark.parametrize("wish", list(Channels))
def test_more_channels_than_are_read_are_refused(tmp_path: Path, wish: Channels) -> None:
    """With the number that is, and also where they would be mixed."""
    with pytest.raises(Permanent, match="17 channels, at most 16") as caught:
        decoded(tmp_path, wave(np.stack([VOICE[:RATE]] * 17, axis=1)), wish)
    assert caught.value.code == "not_media"


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("layout", [False, True], ids=["without a layout", "5.1"])
def test_a_voice_on_any_channel_of_many_is_heard(tmp_path: Path, place: int, layout: bool) -> None:
    """Also where six microphones call themselves 5.1, whose fourth channel no downmix hears."""
    hiss = 1e-4 * np.random.default_rng(1).standard_normal((len(VOICE), 6)).astype(np.float32)
    hiss[:, place] += VOICE
    result = decoded(tmp_path, encoded(hiss, "flac") if layout else wave(hiss))
    assert result.channels == 1
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.15)


def test_the_voice_of_a_film_is_in_the_centre(tmp_path: Path) -> None:
    """Music around it and rumble below it are softer than there; equal channels stay what they are."""
    chance = np.random.default_rng(2)
    around = 0.5 * voice(12.0, 300.0, seed=3) + 0.02 * chance.standard_normal(len(VOICE)).astype(np.float32)
    rumble = 0.5 * tone(12.0, 50.0)
    film = np.stack([around, around, VOICE, rumble, around, around], axis=1)
    assert decoded(tmp_path, encoded(film, "flac")).channels == 1
    mix = heard(tmp_path)[:, 0]
    alone = load_mono(VOICE, tmp_path)[:, 0]
    assert np.corrcoef(mix, alone)[0, 1] > 0.9
    assert decoded(tmp_path, encoded(np.stack([VOICE] * 6, axis=1), "flac")).channels == 1
    assert heard(tmp_path)[:, 0] == pytest.approx(alone, abs=1e-3)
