"""Two people on two channels, or one room: by who is louder where, and when."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_consumers.audio.channels.arrangement import arrange
from gpu_consumers.audio.channels.crosstalk import gates
from gpu_consumers.audio.channels.levels import FRAME, Levels, levels_of, loudest_around
from gpu_consumers.audio.channels.turn_taking import turn_taking
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.events import Channels
from tests.media_files import in_turn, tone, voice
from tests.recordings import MONO, STEREO, Recording

SECONDS = 16.0
SPEECH = voice(SECONDS, rate=SAMPLE_RATE)
OTHER = voice(SECONDS, 210.0, seed=1, rate=SAMPLE_RATE)
CALL = in_turn(SPEECH, OTHER, rate=SAMPLE_RATE)


def levels(left: Samples, right: Samples) -> Levels:
    return levels_of(np.stack([left, right], axis=1).astype(np.float32))


def gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def delayed(samples: Samples, seconds: float) -> Samples:
    return np.pad(samples, (round(seconds * SAMPLE_RATE), 0))[: len(samples)]


def noise(samples: Samples, ratio_db: float, seed: int) -> Samples:
    """White noise so far below the loudness of the samples."""
    loudness = float(np.sqrt(np.mean(samples**2))) * gain(-ratio_db)
    return (loudness * np.random.default_rng(seed).standard_normal(len(samples))).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    level=st.floats(-30.0, 10.0),
    delay=st.floats(0.0, 0.25),
    sign=st.sampled_from([1.0, -1.0]),
    clean=st.floats(10.0, 60.0),
    seed=st.integers(0, 1000),
)
def test_one_voice_is_one_whatever_becomes_of_it(
    level: float, delay: float, sign: float, clean: float, seed: int
) -> None:
    copy = sign * gain(level) * delayed(SPEECH, delay)
    noisy = copy + noise(copy, clean, seed)
    for left, right in ((SPEECH, noisy), (noisy, SPEECH)):
        assert not turn_taking(levels(left, right)).two_people


@settings(max_examples=30, deadline=None)
@given(
    level=st.floats(-20.0, 10.0),
    leak=st.floats(-60.0, -20.0),
    delay=st.floats(0.0, 0.2),
    clean=st.floats(25.0, 60.0),
    turn=st.floats(1.5, 4.0),
)
def test_two_people_in_turn_are_two_whatever_the_line(
    level: float, leak: float, delay: float, clean: float, turn: float
) -> None:
    """Softer, noisy, and with an echo of the other one 20 dB below."""
    first, second = in_turn(SPEECH, OTHER, turn=turn, rate=SAMPLE_RATE).T
    left = first + gain(leak) * delayed(second, delay)
    right = second + gain(leak) * delayed(first, delay)
    taking = turn_taking(levels(left + noise(first, clean, 1), gain(level) * (right + noise(second, clean, 2))))
    assert taking.two_people
    assert min(taking.own) > 0.0 or sum(taking.own) > 1.0


@pytest.mark.parametrize("leak", [-3.0, -6.0, -8.0])
def test_a_table_with_a_microphone_at_either_end_is_one_room(leak: float) -> None:
    """Each is to be heard on both: alone, every sentence would come twice."""
    assert not turn_taking(
        levels(CALL[:, 0] + gain(leak) * CALL[:, 1], CALL[:, 1] + gain(leak) * CALL[:, 0])
    ).two_people


def test_music_beside_a_voice_is_nobody() -> None:
    """The same voice on both channels, something else on one of them, also while the voice is silent."""
    talk = SPEECH * (np.arange(len(SPEECH)) // (2 * SAMPLE_RATE) % 2 == 0)
    assert not turn_taking(levels(talk, talk + gain(-12) * OTHER)).two_people
    assert not turn_taking(levels(talk + gain(-12) * OTHER, talk)).two_people


def test_one_word_against_a_speech_is_enough_where_nothing_leaks() -> None:
    answer = np.zeros_like(OTHER)
    answer[10 * SAMPLE_RATE : 12 * SAMPLE_RATE] = OTHER[: 2 * SAMPLE_RATE]
    speech = SPEECH.copy()
    speech[round(9.5 * SAMPLE_RATE) : round(12.5 * SAMPLE_RATE)] = 0.0
    assert turn_taking(levels(speech, answer)).two_people


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("kind", ["beep", "clicks"])
def test_a_beep_or_clicks_beside_a_recording_are_nobody(tmp_path: Path, side: int, kind: str) -> None:
    """Several people may be on the channel with the voices: one speaker a channel would make one of them."""
    both = samples_of(MONO, tmp_path)[:, 0]
    pauses = quiet(both)
    stray = np.zeros_like(both)
    if kind == "beep":
        middle = pauses[len(pauses) // 2]
        stray[middle : middle + round(0.3 * SAMPLE_RATE)] = tone(0.3, 1000.0, SAMPLE_RATE)
    for at in pauses[:: len(pauses) // 8][:8] if kind == "clicks" else ():
        stray[at : at + 400] = 0.5 * np.random.default_rng(1).standard_normal(400)
    channels = [stray, both] if side == 0 else [both, stray]
    assert turn_taking(levels(*channels)).stray == side
    found = arrange(np.stack(channels, axis=1), ("FL", "FR"), Channels.AUTO)
    assert found.channels == 1
    assert found.warnings == (f"channel {side + 1} of 2 holds next to nothing of its own: both were heard as one",)


def quiet(samples: Samples) -> list[int]:
    """Places in a recording around which it is silent for 300 ms."""
    active = levels_of(samples[:, None]).active[:, 0]
    around = loudest_around(active.astype(np.float32), 15) > 0
    return [int(frame) * FRAME for frame in np.flatnonzero(~around)]


def samples_of(recording: Recording, folder: Path) -> Samples:
    decode(recording.path, folder / "samples.npy", Channels.SPLIT, 600.0, lambda _: None)
    return np.array(load(folder / "samples.npy"))


def test_speech_behaves_like_that(tmp_path: Path) -> None:
    """The recordings of ours: a call of two, and two people on one channel, heard by two microphones."""
    call = samples_of(STEREO, tmp_path)
    assert turn_taking(levels_of(call)).two_people
    both = samples_of(MONO, tmp_path)[:, 0]
    for copy in (both, -both, gain(-14) * both, delayed(both, 0.0005), delayed(both, 0.1)):
        assert not turn_taking(levels(both, copy)).two_people


@pytest.mark.parametrize("leak", [-15.0, -20.0, -30.0])
@pytest.mark.parametrize("delay", [0.0, 0.15])
def test_the_other_one_on_a_line_is_muted_and_nobody_else(leak: float, delay: float) -> None:
    """But for the edges of turns at least 10 dB of the copy go, and at most one in fifty loud frames of the own voice."""
    left = CALL[:, 0] + gain(leak) * delayed(CALL[:, 1], delay)
    right = CALL[:, 1] + gain(leak) * delayed(CALL[:, 0], delay)
    heard, alone = levels(left, right), levels(*CALL.T)
    gate = gates(heard, turn_taking(heard))
    assert gate is not None
    for channel in (0, 1):
        own = alone.speech[:, channel] > 1e-4
        assert np.mean(gate[own, channel] == 0.0) < 0.02
        near_own = loudest_around(alone.active[:, channel].astype(np.float32), 20) > 0
        copy = heard.speech[:, channel] * ~near_own
        assert np.sum(copy * gate[:, channel]) < 0.1 * np.sum(copy)


def test_a_line_that_lets_nothing_through_is_left_alone() -> None:
    """Noise is no copy."""
    heard = levels(*CALL.T)
    assert gates(heard, turn_taking(heard)) is None
    noisy = levels(CALL[:, 0] + noise(CALL[:, 0], 25, 1), CALL[:, 1] + noise(CALL[:, 1], 25, 2))
    assert gates(noisy, turn_taking(noisy)) is None
