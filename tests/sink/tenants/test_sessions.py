"""Sessions: what the cache keeps, and for how long."""

from sink.postgres.database import Database
from sink.tenants.api_keys import REVOKED_WITHIN_SECONDS, create_key, revoke_key, verify_key
from sink.tenants.sessions import SessionCache, open_session
from tests.database_cases import case_runner


def test_a_revoked_key_ends_its_sessions_within_its_seconds(database: str) -> None:
    async def case(db: Database) -> None:
        clock = [0.0]
        cache = SessionCache(now=lambda: clock[0])
        text = await create_key(db, "acme")
        key = await verify_key(db, text)
        assert key is not None
        token, opened = await open_session(db, key)
        assert await cache.find(db, token) == opened
        await revoke_key(db, key.key_id)
        clock[0] = REVOKED_WITHIN_SECONDS - 0.001
        assert await cache.find(db, token) == opened
        clock[0] = REVOKED_WITHIN_SECONDS
        assert await cache.find(db, token) is None

    case_runner(database)(case)


def test_a_session_is_kept_no_longer_than_it_lasts(database: str) -> None:
    async def case(db: Database) -> None:
        clock = [0.0]
        cache = SessionCache(now=lambda: clock[0])
        key = await verify_key(db, await create_key(db, "acme"))
        assert key is not None
        token, _ = await open_session(db, key)
        async with db.transaction() as connection:
            await connection.execute("UPDATE sessions SET expires_at = now() + interval '1 s'")
        assert await cache.find(db, token) is not None
        async with db.transaction() as connection:
            await connection.execute("UPDATE sessions SET expires_at = now()")
        clock[0] = 1.0
        assert await cache.find(db, token) is None

    case_runner(database)(case)
