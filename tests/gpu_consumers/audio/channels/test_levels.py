"""Loudness in the band of speech, steady noise, and which channels hold anything."""

import numpy as np
import pytest

from gpu_consumers.audio.channels.levels import BLOCK_FRAMES, FRAME, decibels, levels_of, loudest_around
from gpu_consumers.audio.samples import SAMPLE_RATE
from tests.media_files import tone, voice

CHANCE = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("hertz", "inside"), [(50, False), (120, False), (300, True), (1000, True), (3000, True), (6000, False)]
)
def test_only_what_speech_consists_of_counts(hertz: float, inside: bool) -> None:
    """A tone at 0.3 has a power of 0.045."""
    levels = levels_of(tone(1.0, hertz, SAMPLE_RATE)[:, None])
    assert levels.total.mean() == pytest.approx(0.045, rel=0.01)
    assert levels.speech.mean() == pytest.approx(0.045 if inside else 0.0, rel=0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("channel", "live"),
    [
        (np.zeros(160_000), False),
        (1e-3 * CHANCE.standard_normal(160_000), False),
        (0.3 * CHANCE.standard_normal(160_000), False),
        (tone(10.0, 50.0, SAMPLE_RATE), False),
        (np.full(160_000, 0.5), False),
        (voice(10.0, rate=SAMPLE_RATE), True),
        (3e-3 * voice(10.0, rate=SAMPLE_RATE), True),
        (voice(10.0, rate=SAMPLE_RATE) + 0.05 * CHANCE.standard_normal(160_000), True),
        (np.concatenate([np.zeros(150_000), voice(0.625, rate=SAMPLE_RATE)]), True),
    ],
    ids=["silence", "hiss", "loud noise", "hum", "an offset", "a voice", "one at -50 dB", "one in noise", "one word"],
)
def test_what_a_channel_holds(channel: np.ndarray, live: bool) -> None:
    assert levels_of(channel.astype(np.float32)[:, None]).live == (live,)


def test_any_length_is_read() -> None:
    """None, less than a frame, and more than is read at once."""
    for samples in (0, 1, FRAME - 1, FRAME, FRAME * (BLOCK_FRAMES + 1) + 5):
        levels = levels_of(np.zeros((samples, 2), np.float32))
        assert levels.speech.shape == levels.floor.shape == (samples // FRAME, 2)
        assert levels.live == (False, False)


@pytest.mark.parametrize("frames", [0, 1, 3, 15])
def test_the_loudest_around_is_that(frames: int) -> None:
    power = CHANCE.uniform(size=100).astype(np.float32)
    wanted = [power[max(0, n - frames) : n + frames + 1].max() for n in range(100)]
    assert loudest_around(power, frames) == pytest.approx(np.array(wanted))
    assert decibels(np.array([1.0, 0.1, 0.0], np.float32)) == pytest.approx(np.array([0.0, -10.0, -120.0]))
