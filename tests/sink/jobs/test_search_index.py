"""The index of words: what is written to it and when, by whom it is read, at what cost."""

import pytest

from schemas.errors import Rejected
from sink.jobs.transcripts.search import index_missing, search
from sink.postgres.database import Connection, Database
from tests.sink.jobs.searching import find, write

pytestmark = pytest.mark.anyio


async def test_megabytes_in_one_segment_are_written(db: Database) -> None:
    await write(db, ["שלום " + " ".join(f"ושבב{n:x}מלה" for n in range(200_000))], "he")
    await write(db, [" ".join(f"w{n:x}" for n in range(500_000)), "x" * 5_000_000, "a\\b 'c' \"d\""])
    assert len((await find(db, "שלום")).hits) == 1
    assert len((await find(db, "w2f")).hits) == 1


async def test_transcripts_from_before_the_index_are_added_once(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("ALTER TABLE segments DISABLE TRIGGER search_added")
    await write(db, ["refund", "policy"])
    async with db.transaction() as connection:
        await connection.execute("ALTER TABLE segments ENABLE TRIGGER search_added")
    await write(db, ["refund"])
    assert len((await find(db, "refund")).hits) == 1
    assert (await index_missing(db), await index_missing(db)) == (2, 0)
    assert len((await find(db, "refund")).hits) == 2


# 20,000 segments of 400 jobs, written as one statement; a few of them say what few say
_MANY = """
WITH j AS (
    INSERT INTO jobs (job_id, tenant, state, request, language, requested_at)
    SELECT gen_random_uuid(), CASE WHEN n % 4 = 0 THEN 'globex' ELSE 'acme' END, 'completed', '{}', 'en', now() - n * interval '1 min'
    FROM generate_series(1, 400) AS n RETURNING job_id
)
SELECT count(*) FROM j"""
_SEGMENTS = """
INSERT INTO segments (job_id, position, start_s, end_s, text)
SELECT job_id, p, p, p + 1, 'common word' || (p * 7919 % 997) || ' speech' || CASE WHEN p = 33 AND job_id::text < '1' THEN ' refund policy' ELSE '' END
FROM jobs, generate_series(0, 49) AS p"""


async def plan(connection: Connection, text: str) -> str:
    """The plan of the statement inside scribe_search, taken from its own source."""
    source = await (await connection.execute("SELECT prosrc FROM pg_proc WHERE proname = 'scribe_search'")).fetchone()
    assert source
    statement = source["prosrc"].split("RETURN QUERY")[1].split(";")[0]
    names = {
        "before_at": "NULL::timestamptz",
        "before_job": "NULL::uuid",
        "before_position": "0",
        "wanted": "NULL::text",
    }
    names |= {" most": " 21", " own": " 'acme'", "@@ tree": f"@@ scribe_search_asked('{text}', NULL)"}
    for name, value in names.items():
        statement = statement.replace(name, value)
    await connection.execute("SELECT set_config('scribe.tenant', 'acme', true)")
    rows = await (await connection.execute(f"EXPLAIN {statement}".encode())).fetchall()
    return "\n".join(row["QUERY PLAN"] for row in rows)


async def test_rare_words_come_from_the_gin_index_and_common_ones_from_the_newest_rows(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(_MANY)
        await connection.execute(_SEGMENTS)
    async with db.session() as session:
        await session.execute("VACUUM ANALYZE segment_search")
    async with db.connection() as connection:
        assert "Bitmap Index Scan on segment_search_words" in await plan(connection, "refund policy")
        assert "Index Scan using segment_search_newest" in await plan(connection, "common")
    assert {hit.position for hit in (await find(db, "refund policy")).hits} == {33}
    assert len((await find(db, "common")).hits) == 50


async def test_a_search_that_takes_too_long_is_given_up_and_said_so(db: Database) -> None:
    await write(db, ["refund"])
    async with db.transaction() as connection:  # the place of a table that is too large
        await connection.execute(
            "CREATE OR REPLACE FUNCTION scribe_search_kind(language text) RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(5); RETURN 'english'; END $$"
        )
    with pytest.raises(Rejected) as caught:
        async with db.as_tenant("acme") as connection:
            await search(connection, "refund", language=None, after=None, limit=1, seconds=0.1)
    assert caught.value.code == "search_too_broad"
    async with db.as_tenant("acme") as connection:
        row = await (await connection.execute("SHOW statement_timeout")).fetchone()
        assert row == {"statement_timeout": "0"}


async def test_the_index_holds_nothing_that_tenants_can_read(db: Database) -> None:
    await write(db, ["refund"])
    with pytest.raises(Exception, match="permission denied"):
        async with db.as_tenant("acme") as connection:
            await connection.execute("SELECT * FROM segment_search")
