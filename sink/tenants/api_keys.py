"""API keys: created and shown once, stored as a digest, compared in constant time.

`sr_live_<key id>_<secret><checksum>`: the prefix lets scanners find leaked keys, the checksum spares the
database every mistyped one.
"""

import hashlib
import hmac
import re
import secrets
import string
import time
import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow, class_row

from schemas.tenants.scopes import USUAL, Scope
from schemas.wire.object_keys import check_tenant
from sink.postgres.database import Database

PREFIX = "sr_live_"
REVOKED_WITHIN_SECONDS = 5.0
"""How long a process may still take a key that was revoked."""
MOST_KEPT = 10_000
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 12, 43, 6  # 43 characters of 62 hold 256 bits
_SCOPES = frozenset(Scope)
WORKS = "revoked_at IS NULL AND (api_keys.expires_at IS NULL OR api_keys.expires_at > now())"
"""The condition under which a key works, for SQL."""
_KEY = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A verified key, its tenant and what it may do; `requests_per_minute`: None where the setting decides."""

    key_id: str
    tenant: str
    scopes: frozenset[Scope] = USUAL
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """Stored facts about a key, without its secret."""

    key_id: str
    tenant: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None


async def create_key(
    db: Database,
    tenant: str,
    label: str = "",
    scopes: Collection[Scope] = USUAL,
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
) -> str:
    """Create a key for a tenant and return its text, which is never shown again; raises Permanent for a bad name."""
    check_tenant(tenant)
    key_id, secret = _random(_ID_LENGTH), _random(_SECRET_LENGTH)
    async with db.transaction() as connection:
        await connection.execute(
            "INSERT INTO api_keys (key_id, tenant, digest, label, scopes, expires_at, requests_per_minute)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [key_id, tenant, digest_of(secret), label, sorted(map(str, scopes)), expires_at, requests_per_minute],
        )
    return f"{PREFIX}{key_id}_{secret}{checksum_of(key_id, secret)}"


_VERIFY = f"""
SELECT key_id, tenant, digest, scopes, requests_per_minute FROM api_keys WHERE key_id = %(key_id)s AND {WORKS}"""  # noqa: S608 - our own words


async def verify_key(db: Database, text: str) -> ApiKey | None:
    """The key for a text, None if it was never created, is revoked or has expired."""
    parts = parse_key(text)
    if parts is None:
        return None
    key_id, secret = parts
    row = await db.call(_VERIFY, {"key_id": key_id})
    expected = bytes(row["digest"]) if row else b""
    if not hmac.compare_digest(digest_of(secret), expected) or row is None:
        return None
    return key_of(row)


def key_of(row: DictRow) -> ApiKey:
    """The key of a row with its columns."""
    return ApiKey(row["key_id"], row["tenant"], scopes_of(row["scopes"]), row["requests_per_minute"])


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes by their names; those that only a later version knows are left out."""
    return frozenset(Scope(name) for name in names if name in _SCOPES)


class KeyCache:
    """Cache of recently verified keys, so that frequent callers do not need a database lookup per call.

    A key that was revoked or has expired is accepted for REVOKED_WITHIN_SECONDS at most. Unknown keys are always looked
    up, so a new key works at once. Secrets are stored as digests only.
    """

    def __init__(self, seconds: float = REVOKED_WITHIN_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._kept: dict[str, tuple[bytes, ApiKey, float]] = {}

    async def verify(self, db: Database, text: str) -> ApiKey | None:
        """Like `verify_key`."""
        parts = parse_key(text)
        if parts is None:
            return None
        key_id, digest, now = parts[0], digest_of(parts[1]), self._now()
        kept_digest, key, until = self._kept.get(key_id, (b"", None, now))
        if until > now and hmac.compare_digest(kept_digest, digest):
            return key
        found = await verify_key(db, text)
        if found is not None:
            self._keep(digest, found, now + self._seconds)  # of the time before it was looked up
        return found

    def _keep(self, digest: bytes, key: ApiKey, until: float) -> None:
        self._kept.pop(key.key_id, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]  # the one that was looked up first
        self._kept[key.key_id] = digest, key, until


async def revoke_key(db: Database, key_id: str, tenant: str | None = None) -> bool:
    """Revoke a key now; False if no key of that id still works.

    For a tenant also False if the key is another tenant's, or may manage those of all.
    """
    async with db.transaction() as connection:
        cursor = await connection.execute(
            f"UPDATE api_keys SET revoked_at = now() WHERE key_id = %(key_id)s AND {WORKS}"  # noqa: S608 - our own words
            " AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s AND NOT %(operator)s = ANY (scopes))",
            {"key_id": key_id, "tenant": tenant, "operator": str(Scope.OPERATOR)},
        )
    return cursor.rowcount == 1


async def list_keys(db: Database, tenant: str | None = None) -> tuple[KeyInfo, ...]:
    """Every key, or those of one tenant, oldest first, including those that work no more."""
    async with db.connection() as connection, connection.cursor(row_factory=class_row(KeyInfo)) as cursor:
        await cursor.execute(
            "SELECT key_id, tenant, label, scopes, created_at, expires_at, revoked_at, requests_per_minute FROM api_keys"
            " WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s ORDER BY created_at, key_id",
            {"tenant": tenant},
        )
        return tuple(await cursor.fetchall())


def parse_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a well-formed key, None for anything else."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    key_id, secret, checksum = match[1], match[2][:_SECRET_LENGTH], match[2][_SECRET_LENGTH:]
    return (key_id, secret) if checksum == checksum_of(key_id, secret) else None


def digest_of(secret: str) -> bytes:
    """The stored digest of a secret; the secret is random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def checksum_of(key_id: str, secret: str) -> str:
    """A checksum of six characters that detects mistyped keys; it is not secret."""
    value = zlib.crc32(f"{key_id}_{secret}".encode())
    text = ""
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
