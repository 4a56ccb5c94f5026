"""The policies of tenants by which requests were judged last. No I/O."""

from schemas.events import TenantPolicy

MOST_KEPT = 10_000


class KeptPolicies:
    """A policy of each tenant that was in force a moment ago.

    It may be another by now: only what the database agrees to holds, and a refusal is asked for again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, TenantPolicy] = {}

    def get(self, tenant: str) -> TenantPolicy | None:
        """The one that was kept last, None when there is none."""
        return self._kept.get(tenant)

    def keep(self, policy: TenantPolicy) -> TenantPolicy:
        """Keep a policy that is in force."""
        self._kept.pop(policy.tenant, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[policy.tenant] = policy
        return policy
