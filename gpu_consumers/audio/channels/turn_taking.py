"""Test whether two channels are two people: they speak in turn, each louder on a channel of its own. Pure.

One voice that two microphones hear is on both channels at once, whatever its level, sign, delay, echo or noise: each
channel explains the other. What a channel holds that the other does not explain is its own. The other explains a frame
when, `gain` louder or softer, it is at most SEPARATION_DB below it anywhere within ECHO_SECONDS; `gain` is the one that
leaves the least unexplained. A channel of which a part is its own belongs to one person only if nobody else is heard
there nearly as loud: music beside a voice, or a guest whom both microphones hear, make no call. Nor does a channel with
less than LEAST_TURN_SECONDS of turns: a beep or a few clicks are nobody, and who says but one word is heard in the mix.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpu_consumers.audio.channels.levels import FRAMES_A_SECOND, Levels, Powers, decibels, loudest_around

SEPARATION_DB = 10.0
LEAST_LEAD_DB = 5.0
ECHO_SECONDS = 0.3  # delays of lines and loudspeakers, and the tails of rooms
GAINS_DB = np.arange(-60.0, 61.0, 1.0)
OWN_PART, OWN_SECONDS = 0.02, 0.5  # so much of what is heard must be explained by one channel only
LEAST_TURN_SECONDS = 0.75  # of each channel
REFINEMENTS = 5
NEAR_FRAMES = 5
ECHO_FRAMES = round(ECHO_SECONDS * FRAMES_A_SECOND)

Frames = npt.NDArray[np.bool_]  # [frames]


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """The distribution of speech over two channels.

    `turns`: the frames in which the one of each channel speaks. `own`: seconds of each channel that the other does not
    explain. `sounding`: seconds of each one's turns in which the own channel is louder than its noise. `active`: seconds
    in which anybody is heard. `separation`: by how many dB each is louder on the own channel than the other one is there.
    """

    turns: tuple[Frames, Frames]
    own: tuple[float, float]
    sounding: tuple[float, float]
    active: float
    separation: tuple[float, float]

    @property
    def two_people(self) -> bool:
        """Whether the channels must be transcribed separately."""
        return self._apart and min(self.sounding) >= LEAST_TURN_SECONDS

    @property
    def stray(self) -> int | None:
        """The channel whose own sound is too short to be a person's, None where that is not what makes it no call."""
        if not self._apart or self.two_people:
            return None
        return int(np.argmin(self.sounding))

    @property
    def _apart(self) -> bool:
        """Whether each channel has sound that is hardly heard on the other one."""
        return sum(self.own) >= max(OWN_SECONDS, OWN_PART * self.active) and min(self.separation) >= LEAST_LEAD_DB


def turn_taking(levels: Levels) -> TurnTaking:
    """The distribution of speech over the two channels of `levels`."""
    active = levels.active
    around = np.stack([loudest_around(channel, ECHO_FRAMES) for channel in heard(levels).T], axis=1)
    excess = decibels(levels.speech) - decibels(around[:, ::-1])
    gain = _best_gain(excess, active)
    # the second may be `gain` louder than the first explains, and the first `-gain` louder than the second
    own = [active[:, 0] & (excess[:, 0] > SEPARATION_DB - gain), active[:, 1] & (excess[:, 1] > SEPARATION_DB + gain)]
    near = np.stack([loudest_around(channel, NEAR_FRAMES) for channel in heard(levels).T], axis=1)
    turns = _turns(own, active, decibels(near[:, 0]) - decibels(near[:, 1]))
    return TurnTaking(
        turns,
        (_seconds(own[0]), _seconds(own[1])),
        (_seconds(turns[0] & active[:, 0]), _seconds(turns[1] & active[:, 1])),
        _seconds(np.logical_or(active[:, 0], active[:, 1])),
        (_separation(levels, 0, turns), _separation(levels, 1, turns)),
    )


def heard(levels: Levels) -> Powers:
    """The power [frames, channels] above steady noise; elsewhere it may be far below the noise."""
    return np.where(levels.speech > 2.0 * levels.floor, levels.speech, 0.1 * levels.floor)


def _best_gain(excess: Powers, active: npt.NDArray[np.bool_]) -> float:
    """The level of the second channel over the first in dB for common sound: the median of the best gains."""
    first, second = (np.sort(excess[active[:, channel], channel]) for channel in (0, 1))
    unexplained = _above(first, SEPARATION_DB - GAINS_DB) + _above(second, SEPARATION_DB + GAINS_DB)
    best = np.flatnonzero(unexplained == unexplained.min())
    return float(GAINS_DB[best[len(best) // 2]])


def _above(values: Powers, limits: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return len(values) - np.searchsorted(values, limits, side="right")


def _turns(own: list[Frames], active: npt.NDArray[np.bool_], lead: Powers) -> tuple[Frames, Frames]:
    """The turns of both channels: each frame belongs to the channel whose own frames it resembles more."""
    said = active.any(axis=1)
    first, second = (mine if mine.any() else said & ~_around(own[1 - n]) for n, mine in enumerate(own))
    for _ in range(REFINEMENTS):
        if not first.any() or not second.any():
            break
        middle = (np.median(lead[first]) + np.median(lead[second])) / 2
        first, second = said & (lead > middle), said & (lead <= middle)
    return first, second


def _around(frames: Frames) -> Frames:
    return loudest_around(frames.astype(np.float32), ECHO_FRAMES) > 0


def _separation(levels: Levels, channel: int, turns: tuple[Frames, Frames]) -> float:
    """Decibels between the owner of a channel and the other speaker on it; 0 where one of them is silent."""
    mine, others = turns[channel], turns[1 - channel]
    if not mine.any() or not others.any():
        return 0.0
    loudness = heard(levels)[:, channel]
    return float(np.percentile(decibels(loudness[mine]), 80) - np.percentile(decibels(loudness[others]), 80))


def _seconds(frames: Frames) -> float:
    return float(np.count_nonzero(frames)) / FRAMES_A_SECOND
