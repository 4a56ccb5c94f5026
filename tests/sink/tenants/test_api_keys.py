"""API keys: what is accepted, what is kept, and what ends them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Permanent
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.tenants.api_keys import (
    REVOKED_WITHIN_SECONDS,
    ApiKey,
    KeyCache,
    checksum_of,
    create_key,
    list_keys,
    parse_key,
    revoke_key,
    verify_key,
)

pytestmark = pytest.mark.anyio

_LETTERS = st.characters(codec="ascii", categories=["L", "N"])
_IDS = st.text(_LETTERS, min_size=12, max_size=12)
_SECRETS = st.text(_LETTERS, min_size=43, max_size=43)


@given(_IDS, _SECRETS)
def test_a_key_is_read_back_as_it_was_written(key_id: str, secret: str) -> None:
    assert parse_key(f"sr_live_{key_id}_{secret}{checksum_of(key_id, secret)}") == (key_id, secret)


@given(_IDS, _SECRETS, st.integers(0, 61), _LETTERS)
def test_a_mistyped_letter_is_found_without_the_database(key_id: str, secret: str, at: int, letter: str) -> None:
    text = f"{key_id}_{secret}{checksum_of(key_id, secret)}"
    changed = text[:at] + letter + text[at + 1 :]
    assert (parse_key("sr_live_" + changed) is None) == (changed != text)


@pytest.mark.parametrize("text", ["", "sr_live_", "sr_test_" + "a" * 62, "sr_live_" + "a" * 63, "ключ", "\x00" * 70])
def test_other_texts_are_no_keys(text: str) -> None:
    assert parse_key(text) is None


async def test_a_key_works_until_it_is_revoked(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        text = await create_key(db, "acme", "the importer")
        key_id = text.split("_")[2]
        assert await verify_key(db, text) == ApiKey(key_id, "acme")
        assert await revoke_key(db, key_id) is True
        assert await verify_key(db, text) is None
        assert await revoke_key(db, key_id) is False


async def test_a_revoked_key_is_taken_for_five_seconds_at_most(database: str) -> None:
    """Of the time at which it was looked up; a new key works at once, and another secret never does."""
    now = 100.0
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        cache = KeyCache(now=lambda: now)
        text, other = await create_key(db, "acme"), await create_key(db, "globex")
        key_id = text.split("_")[2]
        assert await cache.verify(db, text) == ApiKey(key_id, "acme")
        await revoke_key(db, key_id)
        now += REVOKED_WITHIN_SECONDS - 0.001
        assert await cache.verify(db, text) == ApiKey(key_id, "acme")
        secret = other.split("_")[3][:43]
        assert await cache.verify(db, f"sr_live_{key_id}_{secret}{checksum_of(key_id, secret)}") is None
        now += 0.001
        assert await cache.verify(db, text) is None
        assert (await cache.verify(db, other) or ApiKey("", "")).tenant == "globex"
        assert await cache.verify(db, await create_key(db, "acme")) is not None


async def test_no_more_keys_are_kept_than_there_is_room_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sink.tenants.api_keys.MOST_KEPT", 2)
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        cache = KeyCache()
        for text in [await create_key(db, "acme") for _ in range(4)]:
            assert await cache.verify(db, text) is not None
        assert len(cache._kept) == 2


async def test_the_secret_decides_and_not_the_id(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        _, _, key_id, rest = (await create_key(db, "acme")).split("_")
        other = "x" * 43
        assert rest[:43] != other
        assert await verify_key(db, f"sr_live_{key_id}_{other}{checksum_of(key_id, other)}") is None
        assert await verify_key(db, f"sr_live_{'x' * 12}_{other}{checksum_of('x' * 12, other)}") is None


async def test_keys_are_listed_without_their_secrets(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        text = await create_key(db, "acme", "first")
        await create_key(db, "globex", "second")
        everybody, acme = await list_keys(db), await list_keys(db, "acme")
        assert [(key.tenant, key.label, key.revoked_at) for key in everybody] == [
            ("acme", "first", None),
            ("globex", "second", None),
        ]
        assert acme == everybody[:1]
        assert acme[0].key_id == text.split("_")[2]
        async with db.connection() as connection:
            cursor = await connection.execute("SELECT api_keys::text AS row FROM api_keys")
            rows = await cursor.fetchall()
        assert all(text.split("_")[3][:43] not in row["row"] for row in rows)


@pytest.mark.parametrize("tenant", ["", "Acme", "a/b", "../x", "a" * 64])
async def test_a_tenant_needs_a_legal_name(database: str, tenant: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        with pytest.raises(Permanent, match="tenant must be"):
            await create_key(db, tenant)
