"""Crosstalk suppression: a channel is muted while it carries only a weak copy of the speaker on the other channel.

Otherwise every sentence that crosses over would be transcribed twice. Sound louder than the copy is kept. Pure.
"""

import numpy as np

from gpu_consumers.audio.channels.levels import Levels, Powers, decibels, loudest_around
from gpu_consumers.audio.channels.turn_taking import ECHO_FRAMES, TurnTaking, heard

MARGIN_DB = 3.0
HOLD_FRAMES = 6  # 120 ms: so long before and behind what stays nothing is muted
HEARD_PART = 0.1  # of the other one's turns in which a copy must be above steady noise


def gates(levels: Levels, taking: TurnTaking) -> Powers | None:
    """Factors [frames, 2] from 0 to 1, None where neither channel has crosstalk of the other."""
    columns = [_gate(levels, taking, channel) for channel in (0, 1)]
    return None if all(column.all() for column in columns) else np.stack(columns, axis=1).astype(np.float32)


def _gate(levels: Levels, taking: TurnTaking, channel: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    others = taking.turns[1 - channel]
    opened = np.ones(len(levels.speech), np.bool_)
    speech = levels.speech[:, channel]
    if not others.any() or np.mean(speech[others] > 2.0 * levels.floor[others, channel]) < HEARD_PART:
        return opened
    own, other = (decibels(loudest_around(heard(levels)[:, n], ECHO_FRAMES)) for n in (channel, 1 - channel))
    copy = np.median(own[others]) - np.median(other[others])
    opened = ~(others & (decibels(speech) <= other + copy + MARGIN_DB))
    # a silence between two words of the other one is no reason to open
    speaks = opened & levels.active[:, channel]
    return loudest_around(speaks.astype(np.float32), HOLD_FRAMES) > 0
