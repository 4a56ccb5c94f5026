"""Lists of jobs: what fits, in which order, by which index, and nobody else's."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from schemas.events import JobRequested, Options, Priority, Source
from schemas.vocabulary.job_states import JOB_STATES
from schemas.wire.serde import to_json
from sink.jobs.listing import JobFilter, list_jobs, statement
from sink.postgres.database import Connection, Database
from tests.samples import AT, BARE_REQUEST
from tests.sink.plans import rows_read

pytestmark = pytest.mark.anyio
ALL = JobFilter(tenant="acme")


async def put(db: Database, request: JobRequested, state: str = "queued", **columns: Any) -> None:
    """A job as it stands at some moment."""
    values: dict[str, Any] = {
        "job_id": request.job_id,
        "tenant": request.tenant,
        "recording_id": request.recording_id,
        "state": state,
        "request": Jsonb(to_json(request)),
        "requested_at": request.requested_at,
        **columns,
    }
    async with db.transaction() as connection:
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        await connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})".encode(), values)


async def found(db: Database, wanted: JobFilter, limit: int = 50) -> list[UUID]:
    async with db.as_tenant(wanted.tenant) as connection:
        return [job.job_id for job in await list_jobs(connection, wanted, limit)]


def asked(hours: int = 0, **values: Any) -> JobRequested:
    return replace(BARE_REQUEST, job_id=uuid4(), requested_at=AT + timedelta(hours=hours), **values)


async def test_every_filter_finds_what_it_names_and_all_of_them_together(db: Database) -> None:
    plain = asked()
    other = asked(
        1,
        recording_id="call-17",
        source=Source(uri="upload://1", name="שיחה_17 100%.OPUS"),
        options=Options(model="large-v3", language="he"),
        priority=Priority.EXPRESS,
        metadata={"crm": "42", "team": "a"},
    )
    await put(db, plain, "completed", language="en", models=Jsonb([{"name": "turbo"}, {"name": "turns"}]))
    await put(db, other, "failed")
    await put(db, replace(asked(2, recording_id="call-17"), tenant="globex"))
    both: list[dict[str, Any]] = [{}, {"states": frozenset({"completed", "failed"})}, {"since": AT}]
    for filters in both:
        assert await found(db, replace(ALL, **filters)) == [other.job_id, plain.job_id], filters
    first: list[dict[str, Any]] = [
        {"states": frozenset({"completed"})},
        {"until": other.requested_at},
        {"model": "turbo"},
        {"language": "en"},
        {"priority": "standard"},
        {"name": "CALL.op"},
        {"ids": (plain.job_id, plain.job_id)},
    ]
    for filters in first:
        assert await found(db, replace(ALL, **filters)) == [plain.job_id], filters
    second: list[dict[str, Any]] = [
        {"states": frozenset({"failed", "cancelled"})},
        {"recording_id": "call-17"},
        {"since": other.requested_at},
        {"model": "large-v3"},
        {"language": "he"},
        {"priority": "express"},
        {"name": "שיחה_17"},
        {"name": "100%.opus"},
        {"metadata": {"crm": "42"}},
        {"metadata": {"crm": "42", "team": "a"}},
        {"ids": (other.job_id, other.job_id)},
    ]
    for filters in second:
        assert await found(db, replace(ALL, **filters)) == [other.job_id], filters
    together = {name: value for filters in second[1:-1] for name, value in filters.items()}
    assert await found(db, replace(ALL, **together)) == [other.job_id]
    nothing: list[dict[str, Any]] = [
        {"name": "upload"},  # that is no address of theirs
        {"name": "17_"},
        {"name": "x\x00"},
        {"model": "any"},
        {"metadata": {"crm": "43"}},
        {"recording_id": "call"},
        {"states": frozenset({"cancelled"})},
    ]
    for filters in nothing:
        assert await found(db, replace(ALL, **filters)) == [], filters


async def test_an_address_is_found_by_its_letters_however_it_writes_them(db: Database) -> None:
    job = asked(source=Source(uri="https://media.example/%D7%A9%D7%99%D7%97%D7%94%201.mp3"))
    await put(db, job)
    for name in ("שיחה 1", "%d7%a9", "media.EXAMPLE"):
        assert await found(db, replace(ALL, name=name)) == [job.job_id], name


async def test_pages_go_on_behind_a_place_whatever_comes_meanwhile(db: Database) -> None:
    """Also among jobs of the same time, and over several states."""
    jobs = [asked(n // 3) for n in range(9)]
    for n, job in enumerate(jobs):
        await put(db, job, JOB_STATES[n % 6])
    wanted = sorted(jobs, key=lambda job: (job.requested_at, job.job_id), reverse=True)
    for states in (frozenset[str](), frozenset(JOB_STATES)):
        seen: list[UUID] = []
        before = None
        while len(seen) < 9:
            async with db.as_tenant("acme") as connection:
                page = await list_jobs(connection, replace(ALL, states=states, before=before), 2)
            await put(db, asked(100, tenant="acme"))
            new = [job for job in page if job.requested_at < AT + timedelta(hours=100)]
            assert new
            seen += [job.job_id for job in new]
            before = page[-1].requested_at, page[-1].job_id
        assert seen == [job.job_id for job in wanted]
        async with db.transaction() as connection:
            await connection.execute("DELETE FROM jobs WHERE requested_at >= %s", [AT + timedelta(hours=100)])


async def test_another_tenants_jobs_are_not_found_by_a_statement_that_asks_for_them(db: Database) -> None:
    job = asked()
    await put(db, job)
    query, values = statement(replace(ALL, ids=(UUID(int=0), UUID(int=2**128 - 1))), 10)
    async with db.as_tenant("globex") as connection:
        assert await (await connection.execute(query.encode(), values)).fetchall() == []


# 12,000 jobs: most are completed, few have failed, every recording has many, and others have as much
_MANY = """
INSERT INTO jobs (job_id, tenant, recording_id, state, request, requested_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 'globex' END, 'r' || n % 4,
    CASE WHEN n % 1000 < 2 THEN 'failed' WHEN n > 11990 THEN 'queued' ELSE 'completed' END,
    '{"source": {"uri": "upload://1"}, "options": {}, "metadata": {}}', now() - n * interval '1 min'
FROM generate_series(1, 12000) AS n"""


async def read(connection: Connection, wanted: JobFilter, limit: int = 10) -> int:
    return (await rows_read(connection, *statement(wanted, limit)))["jobs"]


async def test_a_page_reads_as_many_rows_as_it_shows(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(_MANY)
    async with db.session() as session:
        await session.execute("VACUUM ANALYZE jobs")
    async with db.as_tenant("acme") as connection:
        newest = await list_jobs(connection, ALL, 3000)
        place = newest[-1].requested_at, newest[-1].job_id
        cases: list[tuple[dict[str, Any], int]] = [
            ({}, 10),
            ({"before": place}, 10),
            ({"since": newest[100].requested_at}, 10),
            ({"states": frozenset({"failed"})}, 10),
            ({"states": frozenset({"completed"})}, 10),
            ({"states": frozenset(JOB_STATES), "before": place}, 60),
            ({"states": frozenset({"failed"}), "until": place[0]}, 10),
            ({"states": frozenset({"cancelled"})}, 0),
            ({"recording_id": "r2"}, 10),
            ({"recording_id": "r2", "before": place}, 10),
        ]
        for filters, most in cases:
            assert await read(connection, replace(ALL, **filters)) <= most, filters
        begins = newest[1500].job_id.hex[:4]
        ids = UUID(begins.ljust(32, "0")), UUID(begins.ljust(32, "f"))
        # whoever begins alike, of all tenants
        assert await read(connection, replace(ALL, ids=ids)) < 20
        # a plan that the session keeps knows no values
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        for filters, most in [*cases, ({"ids": ids}, 20)]:
            query, values = statement(replace(ALL, **filters), 10)
            before = await _touched(connection)
            shown = await (await connection.execute(query.encode(), values, prepare=True)).fetchall()
            assert len(shown) <= await _touched(connection) - before <= most, filters


async def _touched(connection: Connection) -> int:
    """Rows of jobs that this transaction has read by whatever way."""
    cursor = await connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch AS touched FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
    )
    row = await cursor.fetchone()
    return int(row["touched"]) if row else 0
