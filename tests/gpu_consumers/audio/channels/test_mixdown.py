"""Many channels in one: nobody is lost, nobody is cancelled, and noise does not add up."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_consumers.audio.channels.levels import levels_of
from gpu_consumers.audio.channels.mixdown import Fit, fits, mixed, weights_of
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from tests.media_files import in_turn, tone, voice

SPEECH = voice(8.0, rate=SAMPLE_RATE)
NOWHERE = ("NONE",) * 6
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def mix(samples: Samples, positions: Sequence[str] = NOWHERE) -> Samples:
    levels = levels_of(samples)
    weights = weights_of(levels, positions[: samples.shape[1]])
    assert weights.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    return mixed(samples, 0, len(samples), weights, fits(samples, levels, weights))[:, 0]


def hiss(channels: int, loudness: float, seed: int = 1) -> Samples:
    return (loudness * np.random.default_rng(seed).standard_normal((len(SPEECH), channels))).astype(np.float32)


def rest(found: Samples, wanted: Samples) -> float:
    """What of a mix is not what was wanted, in dB of that."""
    inner = slice(SAMPLE_RATE // 10, -SAMPLE_RATE // 10)
    found, wanted = found[inner], wanted[inner]
    louder = float(found @ wanted / (wanted @ wanted))
    assert 0.5 < louder < 1.5
    return float(10 * np.log10(np.mean((found / louder - wanted) ** 2) / np.mean(wanted**2)))


def test_channels_that_hear_the_same_are_a_mean() -> None:
    assert mix(np.stack([SPEECH, SPEECH], axis=1)) == pytest.approx(SPEECH, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(
    lag=st.integers(-400, 400), sign=st.sampled_from([1.0, -1.0]), level=st.floats(0.2, 2.0), seed=st.integers(0, 99)
)
def test_signs_and_delays_cancel_nothing(lag: int, sign: float, level: float, seed: int) -> None:
    """A wire soldered the wrong way, a microphone eight metres off."""
    copy = sign * level * np.roll(SPEECH, lag)
    samples = np.stack([SPEECH, copy], axis=1).astype(np.float32) + hiss(2, 1e-4, seed)
    levels = levels_of(samples)
    weights = weights_of(levels, NOWHERE[:2])
    best = int(np.argmax(weights.mean(axis=0)))
    found = fits(samples, levels, weights)
    assert found[1 - best] == Fit(lag if best == 0 else -lag, sign)
    loudness = float(np.sqrt(np.mean(mix(samples) ** 2)))
    assert loudness > 0.9 * min(1.0, level) * float(np.sqrt(np.mean(SPEECH**2)))


@pytest.mark.parametrize("place", range(6))
def test_one_microphone_of_six_is_heard_without_the_noise_of_the_others(place: int) -> None:
    """A mean would bring the voice down by 16 dB, the noise by 8."""
    samples = hiss(6, 0.003)
    samples[:, place] += SPEECH
    assert rest(mix(samples), SPEECH) < -18.0


def test_whoever_speaks_is_heard_on_the_own_microphone() -> None:
    """Six people in turn."""
    people = in_turn(
        *(voice(8.0, hertz, seed=hertz, rate=SAMPLE_RATE) for hertz in (100, 120, 140, 170, 200, 240)),
        turn=1.0,
        rate=SAMPLE_RATE,
    )
    assert rest(mix((people + hiss(6, 1e-3)).astype(np.float32)), people.sum(axis=1)) < -12.0


def test_a_loud_noisy_microphone_does_not_bury_a_clean_one() -> None:
    samples = np.stack([2.0 * SPEECH, SPEECH], axis=1).astype(np.float32)
    samples[:, 0] += hiss(1, 0.1)[:, 0]
    assert rest(mix(samples), SPEECH) < -15.0


def test_films_have_their_voices_in_the_centre_and_rumble_below() -> None:
    music = 0.3 * voice(8.0, 320.0, seed=5, rate=SAMPLE_RATE)
    film = np.stack([music, music, SPEECH, 0.5 * tone(8.0, 40.0, SAMPLE_RATE), music, music], axis=1).astype(np.float32)
    assert rest(mix(film, SURROUND), SPEECH) < rest(mix(film), SPEECH) - 3.0


def test_a_layout_that_is_none_counts_for_nothing() -> None:
    """A voice where the rumble should be, and one where the centre is dead."""
    for place in (3, 0):
        samples = hiss(6, 1e-3)
        samples[:, place] += SPEECH
        assert rest(mix(samples, SURROUND), SPEECH) < -20.0


def test_a_part_is_what_it_is_in_the_whole() -> None:
    """Blocks fit each other, at the edges too, where a channel is moved."""
    samples = np.stack([SPEECH, np.roll(SPEECH, 100), np.roll(SPEECH, -350)], axis=1)
    levels = levels_of(samples)
    weights = weights_of(levels, NOWHERE[:3])
    fitted = fits(samples, levels, weights)
    whole = mixed(samples, 0, len(samples), weights, fitted)
    size = 33_333
    parts = [mixed(samples, at, min(len(samples), at + size), weights, fitted) for at in range(0, len(samples), size)]
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 100, 319, 321, 5000])
def test_any_length_is_mixed(samples: int) -> None:
    assert mix(hiss(3, 0.1)[:samples]).shape == (samples,)
