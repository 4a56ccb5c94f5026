"""Rate limits: what a key may do in a minute, by one process or several, and when the next request is allowed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.tenants.api_keys import create_key, parse_key
from sink.tenants.rate_limits import KEPT_SECONDS, WINDOW_SECONDS, RateLimiter

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


@pytest.fixture
async def key_id(db: Database) -> str:
    return (parse_key(await create_key(db, "acme")) or ("", ""))[0]


def stopped() -> float:
    """A clock of a process that does not go on, so that only the database's does."""
    return 100.0


async def allowed(limiters: list[RateLimiter], db: Database, key_id: str, limit: int, requests: int) -> int:
    """How many of so many requests at once are allowed, one process after the other asking."""
    asked = (limiters[number % len(limiters)].spend(db, key_id, limit) for number in range(requests))
    return sum(found.retry_after is None for found in await asyncio.gather(*asked))


@pytest.mark.parametrize("limit", [1, 7, 59, 600, 100_000])
async def test_a_key_has_a_whole_minute_at_first(db: Database, key_id: str, limit: int) -> None:
    first = await RateLimiter(stopped).spend(db, key_id, limit)
    assert (first.limit, first.remaining, first.retry_after) == (limit, limit - 1, None)


@pytest.mark.parametrize("processes", [1, 2, 5])
async def test_all_processes_together_allow_no_more_than_the_limit(db: Database, key_id: str, processes: int) -> None:
    limit, refilled = 300, 5 * 300 // WINDOW_SECONDS  # a busy machine may take seconds, in which requests come back
    limiters = [RateLimiter(stopped) for _ in range(processes)]
    found = await allowed(limiters, db, key_id, limit, 2 * limit)
    # each may keep what it took for a second
    assert limit - processes * limit // WINDOW_SECONDS <= found <= limit + refilled


async def test_a_refused_request_says_when_the_next_one_is_allowed(db: Database, key_id: str) -> None:
    now = 100.0
    limiter = RateLimiter(lambda: now)
    assert (await limiter.spend(db, key_id, 2)).retry_after is None
    assert (await limiter.spend(db, key_id, 2)).remaining == 0
    refused = await limiter.spend(db, key_id, 2)
    assert refused.retry_after is not None
    assert 20 < refused.retry_after <= 30  # one of two a minute
    assert refused.remaining == 0
    # until then the database is not asked, afterwards it is
    now += refused.retry_after - 1
    assert (await limiter.spend(db, key_id, 2)).retry_after == pytest.approx(1.0)
    async with db.transaction() as connection:
        await connection.execute("UPDATE rate_limits SET whole_at = whole_at - interval '31 seconds'")
    now += 1
    assert (await limiter.spend(db, key_id, 2)).retry_after is None


async def test_what_a_process_does_not_spend_is_not_kept_for_ever(db: Database, key_id: str) -> None:
    """Else an idle process would add to a later minute what it took in an earlier one."""
    now = 100.0
    limiter = RateLimiter(lambda: now)
    await limiter.spend(db, key_id, 600)
    async with db.transaction() as connection:
        await connection.execute("UPDATE rate_limits SET whole_at = now() + interval '1 minute'")
    assert (await limiter.spend(db, key_id, 600)).retry_after is None
    now += KEPT_SECONDS
    assert (await limiter.spend(db, key_id, 600)).retry_after is not None


async def test_keys_are_counted_apart(db: Database, key_id: str) -> None:
    other = (parse_key(await create_key(db, "acme")) or ("", ""))[0]
    limiter = RateLimiter(stopped)
    assert await allowed([limiter], db, key_id, 1, 2) == 1
    assert await allowed([limiter], db, other, 1, 2) == 1
