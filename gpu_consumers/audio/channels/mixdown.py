"""Mixdown of many channels that loses no speaker: each channel is weighted by its speech at the moment. Pure.

A plain mean buries a voice that only one of six microphones hears, and cancels one that two hear with opposite signs.
So channels are turned and moved to fit the best one, and weighed by their speech over their noise, as an automatic
mixing desk does; where all hear the same, all weigh the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpu_consumers.audio.channels.levels import FRAME, FRAMES_A_SECOND, Levels, Powers
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples

SMOOTHING_FRAMES = FRAMES_A_SECOND // 5
BEST_RATIO = 1000.0  # 30 dB over noise: more makes no voice clearer
OVERALL_PART = 0.05  # how much of its weight a channel keeps while nobody speaks
POSITIONS = {"FC": 1.0, "FL": 0.25, "FR": 0.25, "LFE": 0.0, "LFE2": 0.0}  # films have their voices in the centre
ELSEWHERE = 0.1
LOW_PART = 0.05  # of the power of a channel for effects, at most so much lies in the band of speech

LAG_SECONDS = 0.025
ALIKE = 0.35  # correlation from which two channels hear the same
SECONDS_COMPARED = 8


@dataclass(frozen=True, slots=True)
class Fit:
    """Alignment of one channel to another: its delay in samples, and its sign."""

    lag: int = 0
    sign: float = 1.0


def weights_of(levels: Levels, positions: Sequence[str]) -> Powers:
    """The weight [frames, channels] of every channel at every moment; those of one moment add up to 1."""
    if not len(levels.speech):
        return levels.speech
    excess = _smooth(np.maximum(levels.speech - levels.floor, 0.0))
    ratio = np.minimum(excess / levels.floor, BEST_RATIO)
    weights = _prior(levels, positions) * ratio * np.sqrt(excess)
    weights += OVERALL_PART * weights.mean(axis=0)
    total = weights.sum(axis=1, keepdims=True)
    even = np.full_like(weights, 1.0 / levels.channels)
    shares: Powers = np.where(total > 0, weights / np.where(total > 0, total, 1.0), even).astype(np.float32)
    return shares


def fits(samples: Samples, levels: Levels, weights: Powers) -> tuple[Fit, ...]:
    """The alignment of each channel to the one with the greatest weight, where both carry the same sound."""
    best = int(np.argmax(weights.mean(axis=0))) if len(weights) else 0
    parts = _loudest_seconds(levels.speech[:, best])
    return tuple(
        Fit() if channel == best or not parts else _fit(samples, best, channel, parts)
        for channel in range(levels.channels)
    )


def mixed(samples: Samples, start: int, stop: int, weights: Powers, fitted: Sequence[Fit]) -> Samples:
    """The mix [stop - start, 1] of samples [samples, channels] from `start` to `stop`."""
    centres = (np.arange(len(weights)) + 0.5) * FRAME
    at = np.arange(start, stop)
    near = slice(max(0, start // FRAME - 1), stop // FRAME + 2)
    out = np.zeros(stop - start, np.float32)
    for channel, fit in enumerate(fitted):
        weight = np.interp(at, centres[near], weights[near, channel]) if len(weights) else 1.0 / len(fitted)
        out += (fit.sign * weight * _shifted(samples[:, channel], start + fit.lag, stop + fit.lag)).astype(np.float32)
    return out[:, None]


def _shifted(channel: Samples, start: int, stop: int) -> Samples:
    inside = channel[max(0, start) : max(0, stop)]
    return np.pad(inside, (max(0, min(-start, stop - start)), max(0, stop - max(start, len(channel), 0))))[
        : stop - start
    ]


def _prior(levels: Levels, positions: Sequence[str]) -> Powers:
    """Weights from the loudspeaker positions; equal ones where these are unknown or implausible."""
    even = np.ones(levels.channels, np.float32)
    if levels.channels < 3 or "FC" not in positions or not levels.live[list(positions).index("FC")]:
        return even
    low = [n for n, position in enumerate(positions) if position.startswith("LFE")]
    if any(
        float(levels.speech[:, n].sum()) > LOW_PART * float(levels.total[:, n].sum()) and levels.live[n] for n in low
    ):
        return even
    return np.array([POSITIONS.get(position, ELSEWHERE) for position in positions], np.float32)


def _smooth(power: Powers) -> Powers:
    size = min(SMOOTHING_FRAMES, len(power))
    sums = np.cumsum(np.pad(power, ((size - size // 2, size // 2), (0, 0)), mode="edge"), axis=0, dtype=np.float64)
    return ((sums[size:] - sums[:-size]) / size).astype(np.float32)[: len(power)]


def _loudest_seconds(speech: Powers) -> list[int]:
    """The frames at which the loudest seconds begin."""
    seconds = len(speech) // FRAMES_A_SECOND
    loudness = speech[: seconds * FRAMES_A_SECOND].reshape(seconds, FRAMES_A_SECOND).sum(axis=1)
    return [int(n) * FRAMES_A_SECOND for n in np.argsort(loudness)[::-1][:SECONDS_COMPARED]]


def _fit(samples: Samples, best: int, channel: int, frames: Sequence[int]) -> Fit:
    lags = round(LAG_SECONDS * SAMPLE_RATE)
    size = 2 * SAMPLE_RATE
    total = np.zeros(2 * lags + 1)
    for frame in frames:
        part = np.diff(samples[frame * FRAME : frame * FRAME + SAMPLE_RATE][:, [best, channel]], axis=0)
        first, second = np.fft.rfft(part, size, axis=0).T
        energy = float(np.sqrt(np.prod(np.sum(part.astype(np.float64) ** 2, axis=0))))
        correlation = np.fft.irfft(second * np.conj(first), size)
        if energy > 0:
            total += np.concatenate([correlation[-lags:], correlation[: lags + 1]]) / energy
    total /= len(frames)
    peak = int(np.argmax(np.abs(total)))
    return Fit(peak - lags, float(np.sign(total[peak]))) if abs(total[peak]) >= ALIKE else Fit()
