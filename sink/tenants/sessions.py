"""Sessions of the page: opened with an API key, found by a random token of which only the digest is stored.

A session can do what its key can, and no longer: a revoked key ends it.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sink.postgres.database import Database
from sink.tenants.api_keys import MOST_KEPT, REVOKED_WITHIN_SECONDS, WORKS, ApiKey, key_of

LIFE = timedelta(hours=12)
MOST_OF_A_KEY = 100
"""Sessions of one key at a time; one more ends the oldest."""
_TOKEN_BYTES = 32
_TOKEN_CHARS = 43  # of base64 without padding

_OPEN = """
WITH expired AS (DELETE FROM sessions WHERE expires_at < now()),
    spare AS (SELECT digest FROM sessions WHERE key_id = %(key_id)s ORDER BY created_at DESC, digest OFFSET %(most)s - 1),
    ended AS (DELETE FROM sessions s USING spare WHERE s.digest = spare.digest)
INSERT INTO sessions (digest, key_id, tenant, expires_at) VALUES (%(digest)s, %(key_id)s, %(tenant)s, now() + %(life)s)
RETURNING expires_at"""
_FIND = f"""
SELECT s.key_id, api_keys.tenant, api_keys.scopes, api_keys.requests_per_minute, LEAST(s.expires_at, api_keys.expires_at) AS expires_at,
    EXTRACT(epoch FROM s.expires_at - now())::float AS seconds_left
FROM sessions s JOIN api_keys USING (key_id)
WHERE s.digest = %(digest)s AND s.expires_at > now() AND {WORKS}"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class Session:
    """An open session: the key that it stands for, and its end."""

    key: ApiKey
    expires_at: datetime


async def open_session(db: Database, key: ApiKey) -> tuple[str, Session]:
    """Open a session of a verified key; returns its token, which is stored nowhere. Expired ones are deleted with it."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    values = {"digest": _digest_of(token), "key_id": key.key_id, "tenant": key.tenant}
    async with db.transaction() as connection:
        cursor = await connection.execute(_OPEN, {**values, "life": LIFE, "most": MOST_OF_A_KEY})
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an INSERT without a conflict returns its row
    return token, Session(key, row["expires_at"])


class SessionCache:
    """Cache of recently found sessions, with the same bound as that of keys: what ended works for seconds at most."""

    def __init__(self, seconds: float = REVOKED_WITHIN_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._kept: dict[bytes, tuple[Session, float]] = {}

    async def find(self, db: Database, token: str) -> Session | None:
        """The session of a token, None if there is none, its key is revoked, or its time is over."""
        if len(token) != _TOKEN_CHARS:
            return None
        digest, now = _digest_of(token), self._now()
        session, until = self._kept.get(digest, (None, now))
        if until > now:
            return session
        row = await db.call(_FIND, {"digest": digest})
        self._kept.pop(digest, None)
        if row is None:
            return None
        found = Session(key_of(row), row["expires_at"])
        self._keep(digest, found, now + min(self._seconds, row["seconds_left"]))
        return found

    async def end(self, db: Database, token: str) -> None:
        """End a session; nothing happens if there is none."""
        digest = _digest_of(token)
        self._kept.pop(digest, None)
        async with db.transaction() as connection:
            await connection.execute("DELETE FROM sessions WHERE digest = %s", [digest])

    def _keep(self, digest: bytes, session: Session, until: float) -> None:
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = session, until


def _digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
