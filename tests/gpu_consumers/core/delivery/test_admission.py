"""When partitions rest: hysteresis, and due times that nobody can abuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.admission import DONE_AHEAD, GroupGate, PartitionGate, Valve, Watermarks, due_at
from schemas.process.wait_reasons import WaitReason
from schemas.wire.headers import NOT_BEFORE
from schemas.wire.offset_metadata import MAX_BITMAP


def test_a_valve_closes_at_high_and_opens_only_at_low() -> None:
    valve = Valve(Watermarks(high=8, low=4))
    assert [valve.update(level) for level in (7, 8, 5, 4, 7, 9)] == [False, True, True, False, False, True]


def test_watermarks_without_distance_are_refused() -> None:
    with pytest.raises(ValueError, match="below"):
        Watermarks(high=4, low=4)


@given(st.lists(st.integers(0, 20)))
def test_a_valve_never_contradicts_its_marks(levels: list[int]) -> None:
    valve = Valve(Watermarks(high=8, low=4))
    for level in levels:
        closed = valve.update(level)
        assert closed or level < 8
        assert not closed or level > 4


def test_a_group_rests_for_either_reason() -> None:
    gate = GroupGate(Valve(Watermarks(10, 5)), Valve(Watermarks(100, 50)))
    assert not gate.update(9, 99)
    assert gate.update(10, 0)
    assert not gate.update(0, 0)
    assert gate.update(0, 100)
    assert gate.update(0, 51)


def test_lifting_one_reason_does_not_lift_the_other() -> None:
    """A partition that is crowded and holds a record that is not due rests until both are over."""
    gate: PartitionGate[str] = PartitionGate()
    gate.committed(4_000, 0)
    gate.hold("record", due=10.0)
    assert list(gate.release(10.0)) == ["record"]
    assert gate.paused(group_full=False)
    gate.committed(0, 0)
    assert not gate.paused(group_full=False)
    assert gate.paused(group_full=True)


def test_a_partition_rests_when_more_is_done_above_its_base_than_its_bitmap_can_tell() -> None:
    """However little room the bitmap takes: one of half a million offsets would be read as nothing."""
    assert DONE_AHEAD.high < 8 * MAX_BITMAP
    gate: PartitionGate[str] = PartitionGate()
    gate.committed(100, DONE_AHEAD.high)
    assert gate.paused(group_full=False)
    gate.committed(100, DONE_AHEAD.low)
    assert not gate.paused(group_full=False)


def test_held_records_are_released_in_order_as_they_fall_due() -> None:
    gate: PartitionGate[str] = PartitionGate()
    gate.hold("first", due=10.0)
    gate.hold("second", due=20.0)
    assert list(gate.release(9.9)) == []
    assert list(gate.release(10.0)) == ["first"]
    assert gate.paused(group_full=False)
    assert list(gate.release(30.0)) == ["second"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1060000", 1060.0),
        ("5000", 5.0),
        ("99999999999999", 1600.0),
        ("", 1000.0),
        ("soon", 1000.0),
        ("-5", 1000.0),
        ("٣", 1000.0),
        ("9" * 400, 1000.0),
    ],
    ids=["later", "past", "from the future", "empty", "word", "negative", "other digits", "absurd"],
)
def test_due_times_are_believed_within_bounds(text: str, expected: float) -> None:
    assert due_at({NOT_BEFORE: text}, written=1000.0, now=1000.0, longest=600.0) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [(900.0, 1500.0), (0.0, 600.0), (-1.0, 599.0), (5000.0, 1600.0)],
    ids=["a while ago", "long ago", "without a time", "a timestamp from the future"],
)
def test_the_longest_wait_begins_when_a_record_is_written(written: float, expected: float) -> None:
    assert due_at({NOT_BEFORE: "9" * 18}, written=written, now=1000.0, longest=600.0) == expected


def test_many_records_from_the_future_hold_up_those_behind_them_no_longer_than_one() -> None:
    """They are polled in bursts, each when the one before has been released."""
    now, longest, burst = 0.0, 3600.0, 100
    gate: PartitionGate[int] = PartitionGate()
    for begin in range(0, 1000, burst):
        for number in range(begin, begin + burst):
            gate.hold(number, due_at({NOT_BEFORE: "9" * 18}, written=0.0, now=now, longest=longest))
        now = max(now, gate.held[-1][0])
        assert len(list(gate.release(now))) == burst
    assert now == longest


def test_a_record_without_due_time_is_due() -> None:
    assert due_at({}, written=1000.0, now=1000.0, longest=600.0) == 1000.0


def test_a_partition_says_for_what_it_rests() -> None:
    gate: PartitionGate[str] = PartitionGate()
    assert gate.reasons(group_full=False) == ()
    gate.hold("record", due=10.0)
    assert gate.reasons(group_full=False) == (WaitReason.RETRY_DELAY,)
    gate.committed(4_000, 0)
    everything = (WaitReason.LOOKAHEAD_FULL, WaitReason.OFFSETS_FULL, WaitReason.RETRY_DELAY)
    assert gate.reasons(group_full=True) == everything


def test_a_group_remembers_whether_it_rests() -> None:
    gate = GroupGate(Valve(Watermarks(10, 5)), Valve(Watermarks(100, 50)))
    levels = ((9, 0), (10, 0), (6, 0), (5, 0), (0, 100))
    assert [(gate.update(*level), gate.closed) for level in levels] == [
        (closed, closed) for closed in (False, True, True, False, True)
    ]
