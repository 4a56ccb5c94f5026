"""Which records are run beside others, alone, or not any more; and that nobody is condemned for what is wrong with all."""

import asyncio
from dataclasses import replace

import pytest
from faust.types import TP

from schemas.errors import Fatal, Outage
from schemas.wire.headers import Origin
from sink.postgres.database import Database
from sink.records.marks import RecordMarks
from streams.runtime.last_resort import BARE_DEATHS, MOST_DEATHS, LastResort, Subject, digest_of
from tests.database_cases import RunCase

GROUP = "g"


def subject(offset: int, value: bytes = b"value") -> Subject:
    return Subject(Origin("t", 0, offset), digest_of(None, value))


KILLER, OTHER, THIRD = subject(5), subject(6), subject(7)


async def life(database: Database, number: int) -> LastResort:
    """The last resort of another process, which knows what the ones before have left."""
    resort = LastResort(RecordMarks(database, GROUP, str(number)), patience=0.05)
    await resort.claim(KILLER, KILLER.place.offset)
    return resort


async def dies_of(database: Database, which: Subject, number: int) -> None:
    """A process that is gone in the middle of a record."""
    resort = await life(database, number)
    turn = resort.running(which)
    await turn.__aenter__()


async def judged(resort: LastResort, which: Subject) -> str | None:
    await resort.judge(which, lambda: False)
    verdict = resort.verdict(which)
    return None if verdict is None else verdict.code


def test_a_record_is_set_aside_after_deaths_alone_and_only_then(run_case: RunCase) -> None:
    async def case(database: Database) -> list[str | None]:
        codes = []
        for number in range(MOST_DEATHS + 2):
            resort = await life(database, number)
            await resort.ended_well(THIRD)
            codes.append(await judged(resort, KILLER))
            await dies_of(database, KILLER, number)
        return codes

    # the first death leaves no mark of its own
    assert run_case(case) == [None] * (MOST_DEATHS + 1) + ["quarantined"]


async def condemn(database: Database, which: Subject, first: int = 0) -> LastResort:
    """The last resort of the process after those that a record has ended."""
    for number in range(MOST_DEATHS + 1):
        await dies_of(database, which, first + number)
    return await life(database, first + MOST_DEATHS + 1)


def test_a_record_whose_turn_has_passed_is_not_blamed_for_the_one_after(run_case: RunCase) -> None:
    """Its good end is noted after its turn, and by then the process may have died of the next one."""

    async def case(database: Database) -> tuple[str | None, str | None]:
        for number in range(MOST_DEATHS + 1):
            resort = await life(database, number)
            async with resort.running(OTHER):
                await resort.handled(OTHER)  # that it ended well the process does not live to note
            turn = resort.running(KILLER)
            await turn.__aenter__()
        resort = await life(database, MOST_DEATHS + 1)
        await resort.ended_well(THIRD)
        return await judged(resort, OTHER), await judged(resort, KILLER)

    assert run_case(case) == (None, "quarantined")


def test_a_lone_record_is_set_aside_although_nothing_else_ends_well_but_no_second_one(run_case: RunCase) -> None:
    async def case(database: Database) -> None:
        resort = await condemn(database, KILLER)
        assert await judged(resort, KILLER) == "quarantined"
        await resort.set_aside(KILLER, None)
        second = await condemn(database, OTHER, 10)
        assert await judged(second, OTHER) is None
        # as soon as one has ended well, it is
        await second.ended_well(THIRD)
        assert await judged(second, OTHER) == "quarantined"

    run_case(case)


def test_one_good_end_does_not_prove_two_quarantines(run_case: RunCase) -> None:
    async def case(database: Database) -> None:
        await condemn(database, KILLER)
        resort = await condemn(database, OTHER, 10)
        await resort.ended_well(THIRD)
        assert await judged(resort, KILLER) == "quarantined"
        await resort.set_aside(KILLER, None)
        assert not resort._proven

    run_case(case)


def test_an_exception_names_its_record_and_clears_all_others(run_case: RunCase) -> None:
    async def case(database: Database) -> None:
        for number in range(2):
            resort = await life(database, number)
            with pytest.raises(Fatal):
                async with resort.running(KILLER):
                    raise Fatal("on purpose")
            await resort.leave()
        resort = await life(database, 2)
        await resort.ended_well(THIRD)
        assert await judged(resort, KILLER) == "quarantined"
        assert resort.mark(OTHER) is None

    run_case(case)


@pytest.mark.parametrize("leaving", ["stop", "revocation"])
def test_an_outage_and_an_orderly_end_are_no_deaths(run_case: RunCase, leaving: str) -> None:
    async def case(database: Database) -> None:
        await dies_of(database, KILLER, 0)
        for number in range(1, 6):
            resort = await life(database, number)
            with pytest.raises(Outage):
                async with resort.running(KILLER):
                    raise Outage("away")
            turn = resort.running(KILLER)
            await turn.__aenter__()
            await (resort.leave() if leaving == "stop" else resort.revoked({TP("t", 0)}))
        mark = (await life(database, 9)).mark(KILLER)
        assert mark is not None
        assert mark.deaths == 0

    run_case(case)


def test_another_record_at_the_same_offset_is_not_blamed(run_case: RunCase) -> None:
    """The topic was made anew."""

    async def case(database: Database) -> None:
        resort = await condemn(database, KILLER)
        await resort.ended_well(THIRD)
        assert await judged(resort, subject(5, b"another value")) is None
        assert await judged(resort, KILLER) == "quarantined"

    run_case(case)


def test_what_a_dead_letter_was_written_for_is_known_and_one_that_kills_again_is_not_looked_into(
    run_case: RunCase,
) -> None:
    async def case(database: Database) -> None:
        resort = await condemn(database, KILLER)
        await resort.ended_well(THIRD)
        await judged(resort, KILLER)
        verdict = resort.verdict(KILLER)
        assert verdict is not None
        assert not verdict.bare
        async with resort.running(KILLER):
            pass  # and dies: its mark stays
        for number in range(20, 20 + BARE_DEATHS - MOST_DEATHS):
            resort = await life(database, number)
        await resort.ended_well(THIRD)
        await judged(resort, KILLER)
        verdict = resort.verdict(KILLER)
        assert verdict is not None
        assert verdict.bare
        await resort.set_aside(KILLER, None)
        assert (await life(database, 30)).is_settled(KILLER)
        assert not (await life(database, 31)).is_settled(replace(KILLER, digest=b"another"))

    run_case(case)


def test_many_dead_letters_take_few_transactions(run_case: RunCase) -> None:
    """A batch of a few KB is ten thousand records, and a job waits behind it."""

    async def case(database: Database) -> tuple[int, int]:
        resort = await life(database, 0)
        await asyncio.gather(*(resort.set_aside(subject(offset), None) for offset in range(1000)))
        async with database.connection() as connection:
            query = "SELECT count(*) AS marks, count(DISTINCT xmin::text) AS transactions FROM record_marks"
            row = await (await connection.execute(query)).fetchone()
        assert row is not None
        return row["marks"], row["transactions"]

    marks, transactions = run_case(case)
    assert marks == 1000
    assert transactions <= 10


def test_without_marks_everybody_runs_beside_everybody() -> None:
    async def case() -> None:
        resort = LastResort(None)
        await resort.claim(KILLER, 0)
        await resort.judge(KILLER, lambda: False)
        async with resort.running(KILLER), resort.running(OTHER) as waited:
            assert not waited
        await resort.ended_well(KILLER)
        await resort.set_aside(OTHER, None)
        await resort.leave()
        assert (resort.has(KILLER), resort.mark(KILLER), resort.verdict(KILLER)) == (True, None, None)

    asyncio.run(case())
