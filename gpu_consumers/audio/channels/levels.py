"""Loudness of every channel over time: its power in the band of speech, 20 ms a frame. Pure.

Powers are mean squares, 1.0 is full scale.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples

Powers = npt.NDArray[np.float32]  # [frames, channels], or [frames] of one channel

FRAME = SAMPLE_RATE // 50  # samples
FRAMES_A_SECOND = SAMPLE_RATE // FRAME
SPEECH_HZ = (250, 3500)  # above hum and rumble, below what hiss has most of
QUIETEST = 1e-9  # -90 dB, below what 16 bits can tell
BLOCK_FRAMES = 60 * FRAMES_A_SECOND

FLOOR_SECONDS, FLOOR_PERCENTILE = 10, 20
ABOVE_FLOOR = 10**0.8  # 8 dB: steady noise, whose frames differ by 2 dB, never reaches it
AUDIBLE = 1e-8  # -80 dB
LEAST_ACTIVE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Levels:
    """Powers [frames, channels]: in the band of speech, in all, and the steady noise in the band of speech."""

    speech: Powers
    total: Powers
    floor: Powers

    @property
    def channels(self) -> int:
        """The number of channels."""
        return int(self.speech.shape[1])

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Flags [frames, channels] of the frames in which a channel is louder than its steady noise."""
        active: npt.NDArray[np.bool_] = (self.speech > ABOVE_FLOOR * self.floor) & (self.speech > AUDIBLE)
        return active

    @property
    def active_seconds(self) -> tuple[float, ...]:
        """Seconds in which each channel is louder than its steady noise."""
        return tuple(float(count) / FRAMES_A_SECOND for count in self.active.sum(axis=0))

    @property
    def live(self) -> tuple[bool, ...]:
        """The channels that contain more than silence and steady noise."""
        return tuple(seconds >= LEAST_ACTIVE_SECONDS for seconds in self.active_seconds)


def levels_of(samples: Samples) -> Levels:
    """The levels of samples [samples, channels], read a minute at a time; what follows the last whole frame is left out."""
    frames = len(samples) // FRAME
    speech = np.empty((frames, samples.shape[1]), np.float32)
    total = np.empty_like(speech)
    for start in range(0, frames, BLOCK_FRAMES):
        part = slice(start, min(frames, start + BLOCK_FRAMES))
        block = np.asarray(samples[part.start * FRAME : part.stop * FRAME]).reshape(-1, FRAME, samples.shape[1])
        speech[part], total[part] = _band_power(block), np.mean(block**2, axis=1)
    speech = np.maximum(speech, QUIETEST)
    return Levels(speech, total, _floor(speech))


_WINDOW = np.hanning(FRAME).astype(np.float32)[:, None]


def _band_power(block: Samples) -> Powers:
    """Powers of frames [frames, FRAME, channels] in the band of speech."""
    spectrum = np.fft.rfft(block * _WINDOW, axis=1)
    low, high = (hertz * FRAME // SAMPLE_RATE for hertz in SPEECH_HZ)
    band = spectrum[:, low : high + 1]
    power: Powers = np.sum(band.real**2 + band.imag**2, axis=1) * (2.0 / (FRAME * float(np.sum(_WINDOW**2))))
    return power


def _floor(speech: Powers) -> Powers:
    """The steady noise around each frame: the quietest fifth of the frames of ten seconds does not exceed it."""
    floor = np.empty_like(speech)
    size = FLOOR_SECONDS * FRAMES_A_SECOND
    for start in range(0, len(speech), size):
        # the last ten seconds, for what is left of them may hold no pause
        block = speech[max(0, min(start, len(speech) - size)) : start + size]
        floor[start : start + size] = np.percentile(block, FLOOR_PERCENTILE, axis=0)
    return floor


def decibels(power: Powers) -> Powers:
    """Powers in dB of full scale."""
    return (10.0 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)


def loudest_around(power: Powers, frames: int) -> Powers:
    """The largest power from so many frames before each one to so many after it."""
    padded = np.pad(power, (frames, frames), mode="edge")
    width = 1
    while width * 2 <= 2 * frames + 1:
        padded = np.maximum(padded[:-width], padded[width:])
        width *= 2
    rest = 2 * frames + 1 - width
    loudest: Powers = np.maximum(padded[: len(power)], padded[rest : rest + len(power)])
    return loudest
