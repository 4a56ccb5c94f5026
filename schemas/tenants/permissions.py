"""Permissions of a tenant's jobs by its policy: start, use of a model, access to a recording. Pure."""

from collections.abc import Callable
from typing import Literal

from schemas.errors import NotAllowed, Permanent
from schemas.events import TenantPolicy
from schemas.requests.limits import EARLIEST
from schemas.wire.object_keys import check_own

UnknownTenant = Literal["allow", "deny"]
"""What becomes of the jobs of a tenant without a policy."""


def policy_for(tenant: str, stored: TenantPolicy | None, unknown: UnknownTenant) -> TenantPolicy:
    """The policy in force, permissive where none is stored; raises NotAllowed(unknown_tenant) where that is denied."""
    if stored is None and unknown == "deny":
        raise NotAllowed("unknown_tenant", tenant)
    return stored or free_policy(tenant)


def free_policy(tenant: str) -> TenantPolicy:
    """The permissive policy of a tenant without a stored one."""
    return TenantPolicy(tenant=tenant, at=EARLIEST)


def check_model(policy: TenantPolicy, model: str) -> None:
    """Raise NotAllowed(model_not_allowed) for a model that the policy does not list; it may be the default one."""
    if policy.models and model not in policy.models:
        raise NotAllowed("model_not_allowed", f"'{model}' is none of {', '.join(policy.models)}")


def check_host(policy: TenantPolicy, host: str) -> None:
    """Raise NotAllowed(source_refused) for a host (ASCII, lower case) that the policy does not list."""
    if policy.allowed_hosts and host not in policy.allowed_hosts:
        raise NotAllowed("source_refused", f"{host} is none of the hosts from which this tenant's recordings may come")


def may_read(policy: TenantPolicy, uri: str) -> bool:
    """Whether an s3:// address lies below a prefix of the policy; the tenant's own keys need none."""
    return uri.startswith(tuple(map(_whole, policy.allowed_prefixes)))


def own_key(tenant: str, uri: str, key_of: Callable[[str], str]) -> str:
    """The key of an s3:// address of the tenant's own; raises NotAllowed(source_refused) for any other.

    `key_of` raises Permanent for an address outside of the service's bucket and returns the key of any other.
    """
    try:
        return check_own(tenant, key_of(uri))
    except Permanent as error:
        raise NotAllowed(error.code, error.detail) from error


def _whole(prefix: str) -> str:
    """A prefix that includes the whole bucket name, so that it matches no bucket with a longer name."""
    return prefix if "/" in prefix.removeprefix("s3://") else f"{prefix}/"
