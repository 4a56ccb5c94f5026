"""Exclusive turns, with one speaker at a time, and the extent of each voice beside the others."""

from collections.abc import Sequence
from dataclasses import replace

from gpu_consumers.core.speech.merge import Turn


def heard_turns(exclusive: Sequence[Turn], overlapping: Sequence[Turn]) -> tuple[Turn, ...]:
    """The exclusive turns in order of start, each with the ends of its speaker's overlapping turn where they meet.

    Words follow exclusive turns, since one voice at a time is transcribed; speech activity follows overlapping ones.
    """
    found: dict[Turn, Turn] = {turn: turn for turn in exclusive}
    for whole in overlapping:
        parts = sorted((turn for turn in exclusive if _is_part(turn, whole)), key=lambda turn: turn.start)
        if parts:
            found[parts[0]] = replace(found[parts[0]], since=min(whole.start, parts[0].start))
            found[parts[-1]] = replace(found[parts[-1]], until=max(whole.end, parts[-1].end))
    return tuple(sorted(found.values(), key=lambda turn: turn.start))


def _is_part(turn: Turn, whole: Turn) -> bool:
    return turn.speaker == whole.speaker and turn.start < whole.end and turn.end > whole.start
