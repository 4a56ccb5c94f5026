"""Rate limits of API keys: requests a minute, shared by all processes of the shim without a round trip for each request.

A token bucket for each key holds one minute's requests and refills evenly. It lives in PostgreSQL as one time, that at
which it is whole again (the generic cell rate algorithm, ITU-T I.371). A process takes a second's worth at a time and
spends it by itself, so all together never exceed the limit, and each may leave a second's worth unused.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sink.postgres.database import Database
from sink.tenants.api_keys import MOST_KEPT

WINDOW_SECONDS = 60
KEPT_SECONDS = 5.0
"""How long a process may spend what it took."""

_TAKE = "SELECT * FROM scribe_take_requests(%(key_id)s, %(wanted)s, %(limit)s)"


@dataclass(frozen=True, slots=True)
class RequestAllowance:
    """Allowance of a key: `remaining` of `limit` requests a minute, all of them again in `whole_in` seconds.

    `retry_after` is the time in seconds until the next request is allowed, None when this one is.
    """

    limit: int
    remaining: int
    whole_in: float
    retry_after: float | None = None


@dataclass(slots=True)
class _Taken:
    """A process's share of a bucket, as of the last answer of the database."""

    tokens: int = 0
    elsewhere: int = 0  # requests that were left in the bucket
    expires_at: float = 0.0
    whole_at: float = 0.0
    refused_until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """The shares of one process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._taken: dict[str, _Taken] = {}

    async def spend(self, db: Database, key_id: str, limit: int) -> RequestAllowance:
        """Count a request of a key that may make `limit` a minute; raises Outage when the database is unavailable."""
        taken = self._taken.get(key_id) or self._add(key_id)
        if not self._is_decided(taken):
            async with taken.asking:  # one of a burst asks for all
                if not self._is_decided(taken):
                    await self._take(db, taken, key_id, limit)
        now = self._now()
        if not taken.tokens:
            return RequestAllowance(limit, 0, max(0.0, taken.whole_at - now), max(0.0, taken.refused_until - now))
        taken.tokens -= 1
        return RequestAllowance(limit, taken.tokens + taken.elsewhere, max(0.0, taken.whole_at - now))

    def _is_decided(self, taken: _Taken) -> bool:
        now = self._now()
        return now < taken.refused_until or (taken.tokens > 0 and now < taken.expires_at)

    async def _take(self, db: Database, taken: _Taken, key_id: str, limit: int) -> None:
        row = await db.call(_TAKE, {"key_id": key_id, "wanted": max(1, limit // WINDOW_SECONDS), "limit": limit})
        assert row is not None  # noqa: S101 - a function always returns its row
        now, until_whole = self._now(), row["seconds_until_whole"]
        taken.tokens, taken.expires_at, taken.whole_at = row["granted"], now + KEPT_SECONDS, now + until_whole
        taken.elsewhere = max(0, int((WINDOW_SECONDS - until_whole) * limit / WINDOW_SECONDS))
        if not taken.tokens:
            taken.refused_until = now + max(0.0, until_whole - WINDOW_SECONDS + WINDOW_SECONDS / limit)

    def _add(self, key_id: str) -> _Taken:
        if len(self._taken) >= MOST_KEPT:
            del self._taken[next(iter(self._taken))]
        return self._taken.setdefault(key_id, _Taken())
