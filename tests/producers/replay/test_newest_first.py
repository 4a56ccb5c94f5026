"""The order in which partitions are read backwards."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from producers.replay.newest_first import Backwards, FoundLetter, Place
from schemas.wire.headers import Origin
from tests.samples import AT

GAPS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), max_size=12)
"""For each record of a partition: offsets since the one before (others hold no record), and seconds."""


def partition(number: int, gaps: Sequence[tuple[int, int]]) -> list[FoundLetter]:
    offset, seconds, records = 9, 0, []
    for offsets, later in gaps:
        offset, seconds = offset + offsets, seconds + later
        records.append(FoundLetter(Origin("dlq", number, offset), AT + timedelta(seconds=seconds), {}))
    return records


@given(st.lists(GAPS, max_size=4), st.integers(1, 4), st.integers(1, 5))
def test_pages_hold_every_record_once_the_newest_first(
    gaps: list[list[tuple[int, int]]], window: int, limit: int
) -> None:
    partitions = {("dlq", number): partition(number, each) for number, each in enumerate(gaps)}
    lows: dict[Place, int] = dict.fromkeys(partitions, 5)
    ends = {place: records[-1].place.offset + 2 if records else 7 for place, records in partitions.items()}
    shown: list[FoundLetter] = []
    while ends:
        unread, before = Backwards(lows, dict(ends)), len(shown)
        while unread.left and len(shown) < before + limit:
            windows = unread.windows(window)
            found = {
                place: [record for record in partitions[place] if first <= record.place.offset < end]
                for place, (first, end) in windows.items()
            }
            shown += islice(unread.take(windows, found), before + limit - len(shown))
        assert unread.left != ends
        ends = dict(unread.left)
    everything = [record for records in partitions.values() for record in records]
    assert len(shown) == len({record.place for record in shown})
    assert {record.place for record in shown} == {record.place for record in everything}
    assert [record.at for record in shown] == sorted((record.at for record in everything), reverse=True)
