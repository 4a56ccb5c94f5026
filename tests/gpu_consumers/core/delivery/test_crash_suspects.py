"""Start marks: what kills is found and set aside, what only stood beside it is not, and leaving in order counts for nothing."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_consumers.core.delivery.crash_suspects import (
    MOST_DEATHS,
    MOST_LATE,
    NO_MARKS,
    CrashSuspects,
    StartMark,
    StartMarks,
    StartMode,
    decode,
)

MARKS = st.builds(
    StartMarks,
    st.booleans(),
    st.lists(
        st.builds(StartMark, st.integers(0, 5_000), st.sampled_from(StartMode), st.integers(0, 9), st.integers(0, 9)),
        max_size=40,
        unique_by=lambda mark: mark.offset,
    ).map(tuple),
    st.sampled_from(["", "k3f9"]),
).filter(lambda marks: marks.owned or marks.begun or not marks.owner)


@given(base=st.integers(0, 2**40), marks=MARKS)
def test_marks_come_back_as_they_were_written(base: int, marks: StartMarks) -> None:
    moved = replace(marks, begun=tuple(replace(mark, offset=base + mark.offset) for mark in marks.begun))
    assert decode(base, moved.encode(base)) == moved


@given(st.text())
def test_foreign_text_means_no_marks_and_never_raises(text: str) -> None:
    assert isinstance(decode(0, text), StartMarks)


@pytest.mark.parametrize(
    "text", ["", "x", "o1", "o1b", "-1b0,", "o1q0", "o1b0,1b0", "o-1b0", "o1b0@K!", "o1b012", "o" + "9" * 20 + "b0"]
)
def test_what_we_did_not_write_means_no_marks(text: str) -> None:
    assert decode(0, text) == NO_MARKS


def test_what_an_owner_left_begun_is_a_suspect_and_only_deaths_alone_count() -> None:
    starts = CrashSuspects(
        StartMarks(
            True,
            (
                StartMark(3, StartMode.SHARED),
                StartMark(5, StartMode.EXCLUSIVE, 1),
                StartMark(7, StartMode.NOT_STARTED, 1),
            ),
        )
    )
    assert [starts.deaths(offset) for offset in (3, 5, 7, 8)] == [0, 2, 1, None]
    assert [offset for offset in (3, 5, 7, 8) if starts.quarantined(offset)] == [5]


def test_the_one_begun_last_is_tried_first() -> None:
    starts = CrashSuspects(
        StartMarks(
            True, (StartMark(9, StartMode.SHARED), StartMark(3, StartMode.SHARED), StartMark(4, StartMode.EXCLUSIVE))
        )
    )
    assert sorted((9, 3, 4), key=starts.suspicion) == [9, 3, 4]


def test_leaving_in_order_takes_the_marks_along_but_no_suspicion() -> None:
    starts = CrashSuspects(StartMarks(True, (StartMark(3, StartMode.EXCLUSIVE),)))
    starts.begin(3, exclusive=True)
    starts.begin(4, exclusive=False)
    assert starts.marks(leaving=True) == StartMarks(False, (StartMark(3, StartMode.NOT_STARTED, 1),))


def test_what_came_further_is_like_new_and_what_dies_at_one_place_is_found_there() -> None:
    starts = CrashSuspects(StartMarks(True, (StartMark(3, StartMode.EXCLUSIVE, 0),)))
    starts.begin(3, exclusive=True)
    assert starts.advanced(3)
    assert starts.marks() == StartMarks(True, (StartMark(3, StartMode.SHARED, 0),))
    for deaths in range(MOST_DEATHS):
        following = CrashSuspects(starts.marks())
        assert (following.deaths(3), following.quarantined(3)) == (deaths, False)
        following.begin(3, exclusive=True)
        starts = following
    assert CrashSuspects(starts.marks()).quarantined(3)


def test_coming_further_makes_nobody_a_suspect() -> None:
    starts = CrashSuspects()
    starts.begin(3, exclusive=False)
    assert not starts.advanced(3)
    assert not starts.advanced(4)
    assert starts.marks() == StartMarks(True, (StartMark(3, StartMode.SHARED, 0),))
    assert starts.deaths(3) is None


def test_a_process_that_was_only_without_its_partition_for_a_while_did_not_die() -> None:
    first = CrashSuspects(StartMarks(True, (StartMark(3, StartMode.SHARED),)), "me")
    first.begin(3, exclusive=True)
    for _ in range(5):
        again = CrashSuspects(first.marks(), "me")
        assert again.deaths(3) == 0
        again.begin(3, exclusive=True)
        first = again
    assert CrashSuspects(first.marks(), "another").deaths(3) == 1


def test_one_that_kills_late_is_condemned_after_some_more_deaths() -> None:
    marks = StartMarks(True, (StartMark(3, StartMode.SHARED),))
    for _ in range(MOST_LATE):
        starts = CrashSuspects(marks)
        assert not starts.quarantined(3)
        starts.begin(3, exclusive=True)
        starts.relax(3)
        marks = starts.marks()
    assert CrashSuspects(marks).quarantined(3)


def test_one_that_has_ended_is_not_marked_when_its_isolation_is_relaxed() -> None:
    """Its outcome may wait for its commit for longer than the isolation lasts."""
    starts = CrashSuspects(StartMarks(True, (StartMark(3, StartMode.SHARED),)))
    starts.begin(3, exclusive=True)
    starts.finish([3])
    starts.relax(3)
    assert starts.marks().begun == ()


def test_who_came_after_one_that_had_lived_for_long_is_tried_before_it() -> None:
    starts = CrashSuspects(StartMarks(True, (StartMark(3, StartMode.SHARED, 1), StartMark(4, StartMode.SHARED))))
    assert starts.suspicion(3) > starts.suspicion(4)
    starts.begin(3, exclusive=True)
    starts.relax(3)
    starts.begin(4, exclusive=False)
    following = CrashSuspects(starts.marks())
    assert following.suspicion(4) > following.suspicion(3)
    assert (following.deaths(3), following.quarantined(3)) == (1, False)


def test_what_hangs_counts_though_its_process_left_in_good_order() -> None:
    starts = CrashSuspects()
    starts.begin(3, exclusive=False)
    starts.begin(4, exclusive=False)
    starts.hang(4)
    starts.hang(5)
    left = starts.marks(leaving=True)
    assert left == StartMarks(False, (StartMark(4, StartMode.SHARED),))
    starts.finish([4])
    assert starts.marks(leaving=True) == NO_MARKS
    for deaths in range(MOST_DEATHS):
        starts = CrashSuspects(left, f"owner{deaths}")
        assert starts.deaths(4) == deaths
        starts.begin(4, exclusive=True)
        starts.hang(4)
        left = starts.marks(leaving=True)
    assert CrashSuspects(left).quarantined(4)


def test_what_moves_again_hangs_no_more() -> None:
    starts = CrashSuspects(StartMarks(True, (StartMark(4, StartMode.SHARED),)))
    starts.begin(4, exclusive=True)
    starts.hang(4)
    starts.advanced(4)
    assert starts.marks(leaving=True) == StartMarks(False, (StartMark(4, StartMode.NOT_STARTED),))


def test_where_nobody_died_nothing_waits_for_its_mark() -> None:
    assert not CrashSuspects().write_ahead
    assert CrashSuspects(StartMarks(True)).write_ahead


class Fleet:
    """One partition and the processes that own it one after the other; some records kill whoever runs them."""

    def __init__(self, records: int, killers: set[int], workers: int, chance: random.Random) -> None:
        self.todo = set(range(records))
        self.killers = killers
        self.workers = workers
        self.chance = chance
        self.committed = NO_MARKS
        self.quarantined: set[int] = set()
        self.runs = dict.fromkeys(range(records), 0)

    def live(self) -> None:
        """The life of one process: until it is killed by a record, or has nothing left to do."""
        starts = CrashSuspects(self.committed)
        self.committed = starts.marks()  # owned, before anything begins
        suspects = sorted((o for o in self.todo if starts.deaths(o) is not None), key=starts.suspicion, reverse=True)
        for offset in suspects:
            if starts.quarantined(offset):
                self.quarantined.add(offset)
            elif not self._run(starts, [offset], exclusive=True):
                return
            self._end(starts, [offset])
        while self.todo:
            some = self.chance.sample(sorted(self.todo), min(len(self.todo), self.workers))
            if not self._run(starts, some, exclusive=False):
                return
            self._end(starts, some)

    def _run(self, starts: CrashSuspects, offsets: list[int], *, exclusive: bool) -> bool:
        """False when the process dies of it; without care its marks may not have been written by then."""
        for offset in offsets:
            starts.begin(offset, exclusive=exclusive)
            self.runs[offset] += 1
        if starts.write_ahead or self.chance.random() < 0.5:
            self.committed = starts.marks()
        return not self.killers & set(offsets)

    def _end(self, starts: CrashSuspects, offsets: list[int]) -> None:
        self.committed = starts.marks(offsets)
        starts.finish(offsets)
        self.todo -= set(offsets)


@settings(max_examples=300)
@given(
    records=st.integers(1, 30),
    killers=st.sets(st.integers(0, 29), max_size=5),
    workers=st.integers(1, 8),
    seed=st.integers(0, 2**32),
)
def test_every_killer_is_set_aside_soon_and_nobody_else_is(
    records: int, killers: set[int], workers: int, seed: int
) -> None:
    killers = {offset for offset in killers if offset < records}
    fleet = Fleet(records, killers, workers, random.Random(seed))
    lives = 0
    while fleet.todo:
        fleet.live()
        lives += 1
        assert lives <= 1 + 4 * len(killers), "a killer was not found"
    assert fleet.quarantined == killers
    # once unseen, once seen, and until its deaths alone are as many as it takes
    assert all(fleet.runs[offset] <= 2 + MOST_DEATHS + len(killers) for offset in killers)
