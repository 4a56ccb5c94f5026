"""Where silence belongs by the time stamps of a container, whatever a stranger writes there."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.audio.timeline import (
    LONGEST_GAP,
    MAX_MARKS,
    RESTART,
    TOLERANCE,
    Timeline,
    TimelineMark,
    delayed,
    timeline,
    with_silence,
)

HOUR = 3600 * SAMPLE_RATE


def mark(sound: float, time: float, lost: float = 0.0, *, torn: bool = False) -> TimelineMark:
    return TimelineMark(round(sound * SAMPLE_RATE), time, lost, torn)


def silences(marks: list[TimelineMark], seconds: float = 60.0, announced: float = 0.0) -> list[tuple[float, float]]:
    found = timeline(marks, round(seconds * SAMPLE_RATE), announced, 10 * 3600.0)
    return [(at / SAMPLE_RATE, round(count / SAMPLE_RATE, 3)) for at, count in found.silences]


@pytest.mark.parametrize(
    ("marks", "wanted"),
    [
        ([], []),
        ([mark(0, 5)], [(0.0, 5.0)]),
        ([mark(0, -5)], []),
        ([mark(10, 30)], [(10.0, 20.0)]),
        ([mark(10, 30), mark(20, 45)], [(10.0, 20.0), (20.0, 5.0)]),
        ([mark(10, 10.1)], []),
        ([mark(10, 100_000)], []),
        ([mark(10, 10 + LONGEST_GAP + 1)], []),
        ([mark(10, 0)], []),
        ([mark(10, 0), mark(20, 30)], [(20.0, 20.0)]),
        ([mark(10, 9.5), mark(20, 20)], []),
        ([mark(10, 9.5), mark(20, 21)], [(20.0, 1.0)]),
        ([mark(10, 500), mark(15, 15)], []),
        ([mark(10, 500), mark(11, 40), mark(12, 12)], []),
        ([mark(10, 500), mark(15, 15), mark(20, 40)], [(20.0, 20.0)]),
        ([mark(n, n * 1.001) for n in range(60)], []),
        ([mark(100 * n, 100 * n + 0.25 * n) for n in range(1, 4)], [(100.0, 0.25), (200.0, 0.25), (300.0, 0.25)]),
    ],
    ids=[
        *("nothing", "a late beginning", "an early one", "a pause", "two pauses", "rounding", "a day", "too long"),
        *("joined parts", "a pause in the second part", "an overlap that a gap makes good", "an overlap before a gap"),
        *("one odd time stamp", "two odd ones", "a pause behind an odd one", "a clock 0.1 % off", "a clock that loses"),
    ],
)
def test_what_time_stamps_ask_for(marks: list[TimelineMark], wanted: list[tuple[float, float]]) -> None:
    assert silences(marks) == wanted


@pytest.mark.parametrize("marks", [[], [mark(10, 30)]])
def test_what_is_missing_in_front_is_silence_and_lost(marks: list[TimelineMark]) -> None:
    """Everything behind it is later by so much."""
    before = timeline(marks, HOUR, 0.0, 2 * 3600.0)
    found = timeline(delayed(marks, 2.0, 1.5), HOUR, 0.0, 2 * 3600.0)
    assert found.silences == ((0, 2 * SAMPLE_RATE), *before.silences)
    assert (found.lost, found.filled) == (2.0, 2.0)


def test_a_container_gets_no_more_than_it_announces() -> None:
    assert silences([mark(10, 30)], seconds=30, announced=50.0) == [(10.0, 20.0)]
    assert silences([mark(10, 30)], seconds=30, announced=40.0) == []


def test_losses_are_counted_where_silence_stands_for_them_and_where_it_does_not() -> None:
    """A gap behind damage is as long as the time stamps say."""
    torn = timeline([mark(10, 15, torn=True)], HOUR, 0.0, 1e5)
    assert (torn.lost, torn.filled) == (5.0, 5.0)
    damaged = timeline([mark(10, 15, lost=0.5)], HOUR, 0.0, 1e5)
    assert (damaged.lost, damaged.filled) == (5.0, 5.0)
    small = timeline([mark(10, 10.1, lost=0.1)], HOUR, 0.0, 1e5)
    assert (small.lost, small.filled, small.silences) == (0.1, 0.0, ())
    assert timeline([mark(10, 30)], HOUR, 0.0, 1e5).lost == 0.0


def test_what_nobody_believes_is_told() -> None:
    assert timeline([mark(10, 86_410)], HOUR, 0.0, 1e5).jumps == (86_400.0,)


def test_time_stamps_that_are_never_right_are_worthless() -> None:
    marks = [mark(n, n + 10.0 * n) for n in range(MAX_MARKS + 1)]
    assert timeline(marks, HOUR, 0.0, 1e9) == Timeline()


TIMES = st.one_of(
    st.floats(-1e3, 1e4), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([2.0**63, -(2.0**63)])
)


@given(
    st.lists(st.tuples(st.integers(0, HOUR), TIMES, st.floats(0, 10), st.booleans()), max_size=60),
    st.one_of(st.just(0.0), st.floats(0, 1e6)),
)
def test_hostile_time_stamps_neither_explode_nor_move_anything_back(
    raw: list[tuple[int, float, float, bool]], announced: float
) -> None:
    """Silence has a length and a limit, lies in order, and each piece is believed."""
    marks = [TimelineMark(*each) for each in sorted(raw, key=lambda each: each[0])]
    longest = 3 * 3600.0
    found = timeline(marks, HOUR, announced, longest)
    places = [sample for sample, _ in found.silences]
    assert places == sorted(places)
    assert all(count + 1 >= TOLERANCE * SAMPLE_RATE for _, count in found.silences)
    assert all(count <= LONGEST_GAP * SAMPLE_RATE for _, count in found.silences)
    limit = min(longest, announced + RESTART) if announced else longest
    assert 3600.0 + found.inserted / SAMPLE_RATE <= max(3600.0, limit) + 1e-3 * len(marks)
    assert math.isfinite(found.lost)
    assert 0.0 <= found.filled <= found.lost + 1e-6


@given(
    st.lists(st.tuples(st.floats(1.0, 100.0), st.floats(0.3, 600.0)), min_size=1, max_size=20),
    st.floats(-0.05, 0.05),
)
def test_real_pauses_are_kept_whatever_the_rounding(pauses: list[tuple[float, float]], rounding: float) -> None:
    """What follows is within the tolerance of where the container says, and nothing drifts."""
    marks, sound, time = [], 0.0, 0.0
    for before, pause in pauses:
        sound, time = sound + before, time + before + pause
        marks.append(mark(sound, time + rounding))
    found = timeline(marks, round((sound + 10) * SAMPLE_RATE), 0.0, 1e6)
    assert found.inserted / SAMPLE_RATE == pytest.approx(sum(pause for _, pause in pauses) + rounding, abs=0.01)
    assert found.lost == 0.0


@given(
    st.lists(st.integers(0, 12), max_size=12),
    st.lists(st.tuples(st.integers(0, 150), st.integers(1, 9)), max_size=12),
    st.integers(1, 2),
)
def test_silence_stands_where_it_belongs_whatever_the_blocks(
    sizes: list[int], pauses: list[tuple[int, int]], channels: int
) -> None:
    """As if all sound were one block; what belongs behind its end is there."""
    sound = np.arange(1, sum(sizes) * channels + 1, dtype=np.float32).reshape(-1, channels)
    silences = sorted(pauses, key=lambda pause: pause[0])
    places = [min(sample, len(sound)) for sample, count in silences for _ in range(count)]
    blocks = np.split(sound, np.cumsum(sizes)[:-1]) if sizes else []
    found = [np.empty((0, channels), np.float32), *with_silence(blocks, silences, channels)]
    assert np.array_equal(np.concatenate(found), np.insert(sound, places, 0.0, axis=0))
