"""Arrangement of a recording's channels: kept separate, or mixed to one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gpu_consumers.audio.channels.crosstalk import gates
from gpu_consumers.audio.channels.levels import FRAME, Powers, levels_of
from gpu_consumers.audio.channels.mixdown import Fit, fits, mixed, weights_of
from gpu_consumers.audio.channels.turn_taking import turn_taking
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.events import Channels

BLOCK = SAMPLE_RATE * 60


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`channels` kept separate and muted where `gates` say so, or one channel mixed with `weights` and `fits`.

    `warnings`: what a reader must know of it. `changes`: whether the samples are to be anything but what they were.
    """

    channels: int
    warnings: tuple[str, ...] = ()
    gates: Powers | None = None
    weights: Powers | None = None
    fits: tuple[Fit, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether `blocks` changes the samples that it is given."""
        return self.gates is not None or self.weights is not None

    def blocks(self, samples: Samples) -> Iterator[Samples]:
        """The samples [samples, channels] in this arrangement, a minute at a time."""
        for start in range(0, len(samples), BLOCK):
            stop = min(len(samples), start + BLOCK)
            if self.weights is not None:
                yield mixed(samples, start, stop, self.weights, self.fits)
            elif self.gates is not None:
                yield samples[start:stop] * _envelope(self.gates, start, stop)
            else:
                yield samples[start:stop]


def arrange(samples: Samples, positions: Sequence[str], wish: Channels) -> Arrangement:
    """The arrangement for samples [samples, channels]; `positions` names the loudspeakers."""
    count = samples.shape[1]
    if count == 1:
        return Arrangement(1)
    levels = levels_of(samples)
    warnings = silent_channels(levels.live, positions)
    if wish is Channels.SPLIT:
        return Arrangement(count, warnings)
    if wish is Channels.AUTO and count == 2 and all(levels.live):
        taking = turn_taking(levels)
        if taking.two_people:
            return Arrangement(2, warnings, gates=gates(levels, taking))
        warnings += stray_channel(taking.stray)
    weights = weights_of(levels, positions)
    return Arrangement(1, warnings, weights=weights, fits=fits(samples, levels, weights))


def silent_channels(live: Sequence[bool], positions: Sequence[str]) -> tuple[str, ...]:
    """The warning about silent channels, if others have sound; none for surround layouts, which often have some."""
    dead = [number for number, each in enumerate(live, 1) if not each]
    placed = len(live) > 2 and any(position not in ("NONE", "") for position in positions)
    if not dead or len(dead) == len(live) or placed:
        return ()
    named = f"channel {dead[0]}" if len(dead) == 1 else f"channels {', '.join(map(str, dead))}"
    return (f"{named} of {len(live)} {'holds' if len(dead) == 1 else 'hold'} nothing but silence or noise",)


def stray_channel(stray: int | None) -> tuple[str, ...]:
    """The warning about a channel of two whose own sound is too short to be somebody's."""
    if stray is None:
        return ()
    return (f"channel {stray + 1} of 2 holds next to nothing of its own: both were heard as one",)


def active_seconds(samples: Samples) -> float:
    """Seconds in which the channel with most sound is louder than its steady noise."""
    return max(levels_of(samples).active_seconds)


def _envelope(gate: Powers, start: int, stop: int) -> Samples:
    """Factors per sample, interpolated without steps."""
    at = np.arange(start, stop)
    centres = (np.arange(len(gate)) + 0.5) * FRAME
    near = slice(max(0, start // FRAME - 1), stop // FRAME + 2)
    return np.stack([np.interp(at, centres[near], column[near]) for column in gate.T], axis=1).astype(np.float32)
