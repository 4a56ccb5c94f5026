"""Who has a partition, who died having it, and what is suspected there after that."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import PostgresSettings
from schemas.wire.headers import Origin
from sink.postgres.database import Database
from sink.records import skips
from sink.records.marks import WINDOW, RecordMark, RecordMarks, SettledRecord, suspicion, window

PLACE = Origin("t", 0, 100)
MARK = RecordMark(0, b"digest")
Case = Callable[[Database], Awaitable[Any]]


@pytest.fixture
def run(database: str) -> Callable[[Case], Any]:
    async def main(case: Case) -> Any:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            return await case(opened)

    return lambda case: asyncio.run(main(case))


Run = Callable[[Case], Any]


def marks_of(database: Database, owner: str, group: str = "g") -> RecordMarks:
    return RecordMarks(database, group, owner)


def at(offset: int) -> Origin:
    return Origin(PLACE.topic, PLACE.partition, offset)


def test_nobody_is_suspected_where_nobody_died(run: Run) -> None:
    async def case(database: Database) -> None:
        first, second = marks_of(database, "first"), marks_of(database, "second")
        for marks in (first, first, second):
            claimed = await marks.claim(PLACE)
            assert (claimed.suspected_below, claimed.marks) == (100, {})
            await marks.give_back()

    run(case)


def test_after_a_death_what_may_have_been_in_work_is_suspected_and_farther_with_each_one(run: Run) -> None:
    async def case(database: Database) -> None:
        found = [(await marks_of(database, str(number)).claim(PLACE)).suspected_below for number in range(4)]
        assert found == [100, 100 + WINDOW, 100 + 4 * WINDOW, 100 + 16 * WINDOW]
        # once the group has come beyond what was suspected, it is another one's fault
        assert (await marks_of(database, "x").claim(at(100 + 16 * WINDOW))).suspected_below == 100 + 17 * WINDOW
        # another group has nothing to do with that
        assert (await marks_of(database, "x", "h").claim(PLACE)).suspected_below == 100

    run(case)


@given(st.integers(0, 20), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_suspicion_goes_farther_stays_or_begins_anew(deaths: int, base: int, ahead: int, died: bool) -> None:
    offset = base + ahead
    now, begin = suspicion(deaths, base, offset, died=died)
    if ahead < window(deaths):
        assert (now, begin) == ((deaths + 1, offset) if died else (deaths, base))
    else:
        assert (now, begin) == (int(died), offset)


def test_what_is_suspected_stays_so_when_the_partition_changes_hands(run: Run) -> None:
    """A process that starts is followed by others, and each of them has the partitions dealt anew."""

    async def case(database: Database) -> None:
        await marks_of(database, "first").claim(PLACE)
        second = marks_of(database, "second")
        for offset in (100, 150, 150):
            assert (await second.claim(at(offset))).suspected_below == 100 + WINDOW
            await second.give_back()
        third = marks_of(database, "third")
        assert (await third.claim(at(200))).suspected_below == 100 + WINDOW
        assert (await third.claim(at(100 + WINDOW))).suspected_below == 100 + WINDOW

    run(case)


@pytest.mark.parametrize(
    ("leaves", "deaths"), [("dies", 1), ("gives back", 0), ("gives back this one", 0), ("gives back another", 1)]
)
def test_only_a_death_counts_for_what_ran_alone(run: Run, leaves: str, deaths: int) -> None:
    async def case(database: Database) -> None:
        first = marks_of(database, "first")
        await first.claim(PLACE)
        await first.begin(PLACE, MARK)
        match leaves:
            case "gives back":
                await first.give_back()
            case "gives back this one":
                await first.give_back({("t", 0)})
            case "gives back another":
                await first.give_back({("t", 1), ("u", 0)})
        claimed = await marks_of(database, "second").claim(PLACE)
        assert claimed.marks == {100: RecordMark(deaths, b"digest")}

    run(case)


def test_what_came_to_its_end_is_no_suspect_and_what_is_committed_is_forgotten(run: Run) -> None:
    async def case(database: Database) -> None:
        first = marks_of(database, "first")
        await first.claim(PLACE)
        await first.begin(PLACE, MARK)
        await first.end(PLACE)
        await first.settle(at(101), MARK)
        await first.settle(at(102), MARK, below=102)
        settled = {102: RecordMark(0, b"digest", settled=True)}
        assert (await marks_of(database, "second").claim(PLACE)).marks == settled
        assert (await marks_of(database, "third").claim(at(103))).marks == {}

    run(case)


def test_many_dead_letters_are_noted_at_once_each_in_its_partition(run: Run) -> None:
    async def case(database: Database) -> None:
        first, other = marks_of(database, "first"), Origin("u", 3, 7)
        await first.settle(at(90), MARK)
        await first.settle(at(91), MARK, unproven=True)
        await first.begin(at(101), MARK)
        again = RecordMark(2, b"other digest")
        await first.settle_all(
            [
                SettledRecord(at(101), again),
                SettledRecord(at(102), MARK, below=91),
                SettledRecord(other, MARK),
                SettledRecord(at(103), MARK, 95),
            ]
        )
        kept = {n: RecordMark(0, b"digest", settled=True) for n in (91, 102, 103)}
        claimed = await marks_of(database, "second").claim(at(95))
        assert claimed.marks == kept | {101: RecordMark(2, b"other digest", settled=True)}
        assert (await marks_of(database, "second").claim(other)).marks == {7: RecordMark(0, b"digest", settled=True)}

    run(case)


def test_a_quarantine_without_proof_is_remembered_until_a_record_ends_well(run: Run) -> None:
    async def case(database: Database) -> None:
        marks = marks_of(database, "first")
        assert not await marks.unproven()
        await marks.settle(PLACE, MARK, unproven=True)
        await marks.claim(at(500))
        assert await marks.unproven()
        assert not await marks_of(database, "first", "h").unproven()
        await marks.prove()
        assert not await marks.unproven()

    run(case)


def test_last_words_blame_one_record_and_no_other(run: Run) -> None:
    async def case(database: Database) -> None:
        first = marks_of(database, "first")
        await first.claim(PLACE)
        for offset in (100, 101):
            await first.begin(at(offset), MARK)
        await asyncio.to_thread(first.last_words, [(PLACE, RecordMark(1, b"digest"))])
        claimed = await marks_of(database, "second").claim(PLACE)
        assert claimed.marks == {100: RecordMark(1, b"digest"), 101: RecordMark(0, b"digest")}
        assert claimed.suspected_below == 100

    run(case)


def test_an_order_to_pass_over_is_read_until_it_is_done(run: Run) -> None:
    async def case(database: Database) -> None:
        marks = marks_of(database, "first")
        for operator in ("ann", "bob"):
            await database.run(lambda connection, operator=operator: skips.order(connection, "g", PLACE, operator))  # type: ignore[misc]
        assert (await marks.skips(), await marks_of(database, "first", "h").skips()) == ({PLACE: "bob"}, {})
        await marks.skipped(PLACE)
        assert await marks.skips() == {}
        async with database.connection() as connection:
            found = await skips.find(connection, "g", PLACE)
        assert found is not None
        assert (found.by, found.done_at is not None) == ("bob", True)

    run(case)
