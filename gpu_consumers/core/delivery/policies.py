"""Latest policy of every tenant."""

from datetime import UTC, datetime
from threading import Lock

from schemas.events import TenantPolicy
from schemas.tenants.permissions import UnknownTenant, free_policy, policy_for
from schemas.tenants.policies import check_time


class Policies:
    """Latest policies by tenant; any thread may query them while another one adds to them."""

    def __init__(self, unknown: UnknownTenant = "allow") -> None:
        self._unknown = unknown
        self._latest: dict[str, TenantPolicy] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._latest)

    def add(self, policy: TenantPolicy) -> None:
        """Note a policy; an older one never replaces a newer one. Raises Permanent for one of the future.

        Nothing else in it is checked: skipping an invalid policy would allow more than applying it.
        """
        check_time(policy, datetime.now(UTC))
        with self._lock:
            known = self._latest.get(policy.tenant)
            if known is None or known.at < policy.at:
                self._latest[policy.tenant] = policy

    def admit(self, tenant: str) -> TenantPolicy:
        """The policy in force for a job that starts; raises NotAllowed(unknown_tenant)."""
        return policy_for(tenant, self._latest.get(tenant), self._unknown)

    def in_force(self, tenant: str) -> TenantPolicy:
        """The policy in force for a job that was admitted before."""
        return self._latest.get(tenant) or free_policy(tenant)
