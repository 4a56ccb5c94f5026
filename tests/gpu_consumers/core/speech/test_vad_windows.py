"""Packing of speech into windows, and times back to the recording."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.vad_windows import Region, Window, pack

RATE = 100
spans = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 2000)), max_size=20)


def regions_of(gaps_and_lengths: list[tuple[int, int]]) -> list[Region]:
    found, clock = [], 0
    for gap, length in gaps_and_lengths:
        found.append(Region(clock + gap, clock + gap + length))
        clock += gap + length
    return found


@given(spans, st.integers(100, 1500))
def test_windows_hold_all_speech_once_and_in_order(gaps: list[tuple[int, int]], limit: int) -> None:
    regions = regions_of(gaps)
    windows = pack(regions, limit)
    assert all(0 < window.length <= limit for window in windows)
    packed = [sample for window in windows for r in window.regions for sample in (r.start, r.end)]
    assert packed == sorted(packed)
    assert sum(window.length for window in windows) == sum(region.length for region in regions)


@given(spans.filter(bool), st.floats(0, 1))
def test_restored_times_lie_in_speech(gaps: list[tuple[int, int]], part: float) -> None:
    """Whatever moment of a window, it comes from one of its regions."""
    (window,) = pack(regions_of(gaps), 10**9)
    moment = part * window.length / RATE
    start, end = window.restore(moment, moment, RATE)
    assert start == end
    assert any(region.start - 1e-6 <= start * RATE <= region.end + 1e-6 for region in window.regions)


def test_the_middle_of_a_word_chooses_its_region() -> None:
    """A word that leaks over a cut does not span the silence that was cut out."""
    window = Window((Region(100, 200), Region(900, 1000)))
    assert window.restore(0.2, 0.5, RATE) == (1.2, 1.5)
    assert window.restore(1.2, 1.5, RATE) == (9.2, 9.5)
    assert window.restore(0.7, 1.2, RATE) == (1.7, 2.0)
    assert window.restore(0.9, 1.4, RATE) == (9.0, 9.4)
    assert window.restore(5.0, 6.0, RATE) == (10.0, 10.0)


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_no_speech_no_windows(limit: int) -> None:
    assert pack([], limit) == ()


@given(spans.filter(bool), st.floats(0, 1))
def test_a_window_is_parted_without_a_loss(gaps: list[tuple[int, int]], part: float) -> None:
    (window,) = pack(regions_of(gaps), 10**9)
    at = min(max(1, int(part * window.length)), window.length - 1)
    if window.length < 2:
        return
    first, second = window.split(at)
    assert (first.length, second.length) == (at, window.length - at)
    samples = [n for half in (first, second) for r in half.regions for n in range(r.start, r.end)]
    assert samples == [n for r in window.regions for n in range(r.start, r.end)]


def test_a_window_is_parted_at_a_pause_near_its_middle() -> None:
    assert Window((Region(0, 30), Region(40, 90), Region(100, 110))).pause == 30
    assert Window((Region(0, 10), Region(40, 130))).pause is None


def test_regions_apart_are_windows_of_their_own() -> None:
    assert pack([Region(0, 10), Region(20, 55)], 30, apart=True) == (
        Window((Region(0, 10),)),
        Window((Region(20, 50),)),
        Window((Region(50, 55),)),
    )
