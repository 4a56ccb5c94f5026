"""Rate limits of requests: counted by key, answered in the header fields of draft-ietf-httpapi-ratelimit-headers-10."""

import math
from typing import Any

from starlette.types import Scope

from producers.api.problems import RetryLater
from sink.postgres.database import Database
from sink.tenants.api_keys import ApiKey
from sink.tenants.rate_limits import WINDOW_SECONDS, RateLimiter, RequestAllowance

HEADERS_IN_SCOPE = "scribe.rate_limit_headers"
"""The header fields that tell a client of its limit, with every answer to it."""
_POLICY = "key"


class RateLimited(RetryLater):
    """Error: the key has made as many requests as it may."""

    def __init__(self, limit: RequestAllowance, retry_after: float) -> None:
        detail = f"at most {limit.limit} a minute; the next one in {max(1, math.ceil(retry_after))} s"
        super().__init__("rate_limited", detail, retry_after)


async def count_request(scope: Scope, limiter: RateLimiter, database: Database, key: ApiKey, usual: int) -> None:
    """Count a request of a key; `usual` is the limit of keys without one of their own, in requests a minute, 0 for none.

    Raises RateLimited, and Outage when the database is unavailable.
    """
    if most := key.requests_per_minute or usual:
        limit = await limiter.spend(database, key.key_id, most)
        scope[HEADERS_IN_SCOPE] = header_fields(limit)
        if limit.retry_after is not None:
            raise RateLimited(limit, limit.retry_after)


def header_fields(limit: RequestAllowance) -> dict[str, str]:
    """The header fields of an answer: the quota and its window in seconds, what is left, and when it is whole again."""
    return {
        "RateLimit-Policy": f'"{_POLICY}";q={limit.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"{_POLICY}";r={limit.remaining};t={math.ceil(limit.whole_in)}',
    }


def describe(document: dict[str, Any]) -> None:
    """Name the header fields in the answers of every operation of an OpenAPI document that can be refused for its rate."""
    document["components"]["headers"] = {**document["components"].get("headers", {}), **_DESCRIBED}
    for path in document["paths"].values():
        for operation in path.values():
            if "429" in operation["responses"]:
                for answer in operation["responses"].values():
                    answer.setdefault("headers", {}).update(_REFERENCES)


_DESCRIBED = {
    "RateLimit-Policy": {
        "description": "The limit of the key: requests (`q`) in a window of seconds (`w`). Absent where it has none.",
        "schema": {"type": "string"},
        "example": header_fields(RequestAllowance(600, 599, 0.1))["RateLimit-Policy"],
    },
    "RateLimit": {
        "description": "What is left of it: requests (`r`), and the seconds until all are there again (`t`).",
        "schema": {"type": "string"},
        "example": header_fields(RequestAllowance(600, 599, 0.1))["RateLimit"],
    },
}
_REFERENCES = {name: {"$ref": f"#/components/headers/{name}"} for name in _DESCRIBED}
