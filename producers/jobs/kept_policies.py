"""Cache of the tenant policies that were read last. No I/O."""

from schemas.events import TenantPolicy

MOST_KEPT = 10_000


class KeptPolicies:
    """Cache of recently read policies, one for each tenant.

    A policy may have changed since: the database decides at the commit, and a refusal is checked with a fresh policy.
    """

    def __init__(self) -> None:
        self._kept: dict[str, TenantPolicy] = {}

    def get(self, tenant: str) -> TenantPolicy | None:
        """The cached policy, None when there is none."""
        return self._kept.get(tenant)

    def keep(self, policy: TenantPolicy) -> TenantPolicy:
        """Cache a policy that is in force."""
        self._kept.pop(policy.tenant, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[policy.tenant] = policy
        return policy
