"""Validation of a tenant's policy from any source, and merging of changes into it. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from schemas.errors import Permanent
from schemas.events import TenantPolicy
from schemas.requests.limits import EARLIEST
from schemas.tenants.quotas import QUOTAS
from schemas.tenants.retention import tenant_mistakes
from schemas.vocabulary.nearest import unknown
from schemas.wire.object_keys import BUCKET, check_tenant

MAX_ITEMS = 1000
MAX_ITEM_CHARS = 256
MAX_PREFIX_CHARS = 1100  # of a key of 1024 bytes and its bucket
MAX_QUOTA = 2**53
AHEAD = timedelta(hours=1)  # a policy of the far future would stand for ever: an older one never replaces a newer one

Mistake = tuple[str, str]  # dotted field name, what is wrong with it


def check_policy(policy: TenantPolicy, now: datetime) -> TenantPolicy:
    """The policy if it is valid; raises Permanent(invalid_request) with all mistakes."""
    check_tenant(policy.tenant)
    return _checked(policy, mistakes(policy, now))


def check_new_policy(policy: TenantPolicy, now: datetime) -> TenantPolicy:
    """Like `check_policy`, for a new policy: also reports entries that never match, or match more than they seem to.

    Readers tolerate such entries, since a policy that they skip forbids nothing.
    """
    check_tenant(policy.tenant)
    return _checked(policy, (*mistakes(policy, now), *(found for rule in _NEW for found in rule(policy))))


def check_time(policy: TenantPolicy, now: datetime) -> None:
    """Raise Permanent(invalid_request) for a policy from the future, which none could replace."""
    _checked(policy, tuple(_time(policy.at, now)))


def mistakes(policy: TenantPolicy, now: datetime) -> tuple[Mistake, ...]:
    """All out-of-range fields, in the order of the policy."""
    return (*_time(policy.at, now), *(found for rule in _RULES for found in rule(policy)))


def _checked(policy: TenantPolicy, found: tuple[Mistake, ...]) -> TenantPolicy:
    if found:
        raise Permanent("invalid_request", "; ".join(f"{field}: {message}" for field, message in found))
    return policy


def merged(
    tenant: str,
    stored: TenantPolicy | None,
    now: datetime,
    *,
    retention: Mapping[str, int | None],
    quotas: Mapping[str, int | None],
    **changes: Any,
) -> TenantPolicy:
    """The policy after `changes` to `stored`: fields are replaced, days and quotas by name (None: the default)."""
    before = stored or TenantPolicy(tenant=tenant, at=now)
    # the clock of whoever stored it may be ahead of ours, and an older policy would change nothing
    at = now if stored is None else max(now, stored.at + timedelta(microseconds=1))
    days = _merged(before.retention_days, retention)
    return replace(before, retention_days=days, quotas=_merged(before.quotas, quotas), at=at, **changes)


def _merged(before: Mapping[str, int], changes: Mapping[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def _time(at: datetime, now: datetime) -> Iterator[Mistake]:
    if at.tzinfo is None or not EARLIEST <= at <= now + AHEAD:
        yield "at", f"must have a time zone and not lie in the future; it is {now.isoformat()}"


def _hosts(policy: TenantPolicy) -> Iterator[Mistake]:
    yield from _texts("allowed_hosts", policy.allowed_hosts)
    for host in policy.allowed_hosts:
        if host != host.strip(".").lower() or any(c in host for c in "/:@?#*\\") or any(c.isspace() for c in host):
            yield "allowed_hosts", "a host must be a name such as media.example, in lower case and without a port"


def _prefixes(policy: TenantPolicy) -> Iterator[Mistake]:
    yield from _texts("allowed_prefixes", policy.allowed_prefixes, MAX_PREFIX_CHARS)
    for prefix in policy.allowed_prefixes:
        if not prefix.startswith("s3://") or not prefix.removeprefix("s3://").partition("/")[0]:
            yield "allowed_prefixes", "a prefix must be s3://bucket/ and the beginning of a key"


def _models(policy: TenantPolicy) -> Iterator[Mistake]:
    yield from _texts("models", policy.models)
    yield from _texts("llm_models", policy.llm_models)


def _quotas(policy: TenantPolicy) -> Iterator[Mistake]:
    for name, value in policy.quotas.items():
        if name not in QUOTAS:
            yield f"quotas.{name[:MAX_ITEM_CHARS]}", unknown("quota", name, QUOTAS)
        elif not 0 <= value <= MAX_QUOTA:
            yield f"quotas.{name}", f"must be a number from 0 to {MAX_QUOTA}"


def _retention(policy: TenantPolicy) -> Iterator[Mistake]:
    for name, message in tenant_mistakes(policy.retention_days):
        yield f"retention_days.{name[:MAX_ITEM_CHARS]}", message


def _texts(field: str, values: tuple[str, ...], limit: int = MAX_ITEM_CHARS) -> Iterator[Mistake]:
    if len(values) > MAX_ITEMS:
        yield field, f"must have at most {MAX_ITEMS} entries"
    if any(not value or len(value) > limit or not value.isprintable() for value in values):
        yield field, f"each must be 1 to {limit} printable characters"


def _plain_hosts(policy: TenantPolicy) -> Iterator[Mistake]:
    if not all(host.isascii() for host in policy.allowed_hosts):
        yield "allowed_hosts", "other letters are written as the name service has them, such as xn--mnchen-3ya.example"


def _whole_buckets(policy: TenantPolicy) -> Iterator[Mistake]:
    for prefix in policy.allowed_prefixes:
        bucket, slash, _ = prefix.removeprefix("s3://").partition("/")
        if not slash or not BUCKET.fullmatch(bucket):
            yield "allowed_prefixes", f"{prefix}: a prefix must be s3://bucket/ and the beginning of a key"


_NEW: tuple[Callable[[TenantPolicy], Iterator[Mistake]], ...] = (_plain_hosts, _whole_buckets)
_RULES: tuple[Callable[[TenantPolicy], Iterator[Mistake]], ...] = (
    _hosts,
    _prefixes,
    _models,
    _quotas,
    _retention,
)
