"""Standing still counts only for partitions that are behind, and only while they could move."""

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.progress import ConsumerProgress, OffsetProgress

PLACES = st.builds(OffsetProgress, st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 5))


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), PLACES), st.booleans()), max_size=30))
def test_the_age_is_the_time_since_the_slowest_last_moved(looks: list[tuple[dict[str, OffsetProgress], bool]]) -> None:
    progress: ConsumerProgress[str] = ConsumerProgress()
    still: dict[str, float] = {}
    before: dict[str, OffsetProgress] = {}
    for now, (places, excused) in enumerate(looks):
        found = progress.observe(places, float(now), excused=excused)
        for name, place in places.items():
            moved = name not in before or before[name].reached != place.reached
            if moved or excused or not place.behind:
                still[name] = now
        assert found == max((now - still[name] for name in places), default=0.0)
        before = places


def test_a_partition_that_never_fetched_anything_stands_still() -> None:
    progress: ConsumerProgress[int] = ConsumerProgress()
    assert [progress.observe({1: OffsetProgress(None, 9)}, now) for now in (0.0, 10.0, 20.0)] == [0.0, 10.0, 20.0]


def test_an_idle_partition_never_does() -> None:
    progress: ConsumerProgress[int] = ConsumerProgress()
    assert [progress.observe({1: OffsetProgress(9, 9), 2: OffsetProgress(None, 0)}, now) for now in (0.0, 999.0)] == [
        0.0,
        0.0,
    ]


def test_the_clock_starts_anew_after_an_outage() -> None:
    progress: ConsumerProgress[int] = ConsumerProgress()
    place = {1: OffsetProgress(3, 9)}
    progress.observe(place, 0.0)
    progress.observe(place, 500.0, excused=True)
    assert progress.observe(place, 510.0) == 10.0
