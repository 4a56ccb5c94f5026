"""Speech without words: found wherever it lies, and nowhere else."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.coverage import LEAST_SECONDS, gaps, is_worth_a_warning, seconds_of, touching
from gpu_consumers.core.speech.vad_windows import Region
from schemas.transcript import Word

RATE = 100  # Hz: samples are hundredths of a second


def said(*spans: tuple[float, float]) -> list[Word]:
    """Words that are as long as the time they take."""
    return [Word(start=start, end=end, text="w" * ceil(4 * (end - start))) for start, end in spans]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([(0, 10)], []),
        ([], [(0, 10)]),
        ([(0, 4)], [(4, 10)]),
        ([(6, 10)], [(0, 6)]),
        ([(0, 3), (5, 10)], [(3, 5)]),
        ([(5, 10), (0, 3)], [(3, 5)]),  # in any order
        ([(0, 3), (3.9, 10)], []),  # no more than a breath
        ([(0, 8), (2, 3)], [(8, 10)]),  # one word within another
        ([(11, 12)], [(0, 10)]),
    ],
)
def test_gaps_are_where_somebody_speaks_and_no_word_is(
    words: list[tuple[float, float]], expected: list[tuple[int, int]]
) -> None:
    assert gaps([Region(0, 1000)], said(*words), RATE) == tuple(Region(a * RATE, b * RATE) for a, b in expected)


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("well", 2.0),
        ("well.........", 2.0),  # has no sound
        ("Rindfleischetikettierung", 6.0),
        ("$1,250.50", 3.6),
    ],
)
def test_a_stretched_word_hides_no_sentence(text: str, covered: float) -> None:
    """However long the alignment makes it last."""
    words = [*said((0.0, 0.5)), Word(start=0.5, end=10.0, text=text)]
    assert gaps([Region(0, 1000)], words, RATE) == (Region(round((0.5 + covered) * RATE), 1000),)


def test_regions_that_nearly_touch_are_one() -> None:
    """Speech is found in frames, and cut where a breath is drawn."""
    assert gaps([Region(0, 60), Region(65, 120)], [], RATE) == (Region(0, 120),)
    assert gaps([Region(0, 60), Region(80, 140)], [], RATE) == ()


spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6))
def test_every_moment_is_silent_covered_or_missing(
    regions: list[tuple[int, int]], words: list[tuple[int, int]]
) -> None:
    """Against the rule, hundredth by hundredth."""
    speech = touching([Region(a * 10, b * 10) for a, b in regions if a < b], RATE)
    found = gaps(speech, said(*((a / 10, b / 10) for a, b in words)), RATE)
    missing = {at for gap in found for at in range(gap.start, gap.end)}
    covered = {at for a, b in words for at in range(a * 10, b * 10)}
    spoken = {at for region in speech for at in range(region.start, region.end)}
    assert missing <= spoken - covered
    left = sorted(spoken - covered - missing)
    runs = sum(1 for before, at in zip([-2, *left], left, strict=False) if at != before + 1)
    assert len(left) < (runs or 1) * LEAST_SECONDS * RATE
    assert seconds_of(found, RATE) == len(missing) / RATE


@pytest.mark.parametrize(
    ("uncovered", "speech", "warned"),
    [(0, 0, False), (2, 4, False), (4, 1000, False), (4, 60, True), (100, 1000, True)],
)
def test_a_reader_is_warned_of_what_is_long_and_a_good_part(uncovered: float, speech: float, warned: bool) -> None:
    assert is_worth_a_warning(uncovered, speech) is warned
