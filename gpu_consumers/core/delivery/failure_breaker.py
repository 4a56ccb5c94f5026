"""Failure breaker: tenants whose jobs fail by the service's fault must wait, and all tenants where no job ends well.

While it is open no job starts, so that a broken machine does not lead thousands of jobs up the ladder of retries. Then a
few jobs probe. A tenant that sends what breaks is one among others, however many of its jobs end: others wait only when
theirs fail as well.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from schemas.process.wait_reasons import WaitReason
from schemas.retries.schedules import GPU_FAILURES

WINDOW = 20  # jobs of one tenant that are judged
MOST = 0.8  # of them may fail
ENOUGH = 40  # failures that make all tenants wait
OF_ONE = 10  # of them may be one tenant's: four tenants fail before the others must wait
MOST_TENANTS = 0.9  # of them fail then: with fewer than ten it is all of them
IN_A_ROW = 2  # failures after which a tenant counts as one that fails
RECENT = 600.0  # seconds for which the ends of a tenant's jobs say how those of others will end
PROBES = 4  # jobs that are tried after a cooldown; the first that ends well closes the breaker
PROBE_SECONDS = 60.0  # seconds after which a probing job keeps no other one from probing
REMEMBERED = 1_000  # tenants, the latest


@dataclass(frozen=True, slots=True)
class Cooldown:
    """Seconds for which one tenant, or (None) every tenant, must wait."""

    seconds: float
    tenant: str | None


@dataclass(slots=True)
class _Tenant:
    ends: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))  # whether they failed
    ended_at: float = 0.0
    failures: int = 0  # since one ended well, or since all tenants waited
    cooldowns: int = 0
    until: float = 0.0
    begun: deque[float] = field(default_factory=deque)  # since its last cooldown, and not ended

    def waits(self, now: float) -> bool:
        if now < self.until:
            return True
        return self.cooldowns > 0 and sum(now - at < PROBE_SECONDS for at in self.begun) + len(self.ends) >= PROBES

    @property
    def fails(self) -> bool:
        return all(tuple(self.ends)[-IN_A_ROW:])

    @property
    def fails_too_often(self) -> bool:
        return len(self.ends) >= (PROBES if self.cooldowns else WINDOW) and sum(self.ends) >= MOST * len(self.ends)

    def cool_down(self, now: float) -> float:
        seconds = _cooldown_seconds(self.cooldowns)
        self.cooldowns, self.until = self.cooldowns + 1, now + seconds
        self.ends.clear()
        self.begun.clear()
        return seconds


@dataclass(slots=True)
class FailureBreaker:
    """Judges the ends of jobs, tenant by tenant. Times are monotonic seconds."""

    _tenants: OrderedDict[str, _Tenant] = field(default_factory=OrderedDict)
    _cooldowns: int = 0  # of all tenants, since a job ended well
    _until: float = 0.0
    _probing: dict[str, float] = field(default_factory=dict)  # since when each tenant probes, with one job
    _failed: int = 0  # of the probes
    _deprioritized: set[str] = field(default_factory=set)  # whose jobs failed as probes since one ended well

    def admits(self, now: float) -> bool:
        """Whether any job may start."""
        return now >= self._until and (not self._cooldowns or len(self._probed_tenants(now)) + self._failed < PROBES)

    def waiting(self, now: float) -> set[str]:
        """Tenants whose jobs may not start while those of others may."""
        waiting = {name for name, tenant in self._tenants.items() if tenant.waits(now)}
        return waiting | self._probed_tenants(now)

    def refusal(self, tenant: str, now: float) -> WaitReason | None:
        """The reason why no job of a tenant may start, None when one may."""
        known = self._tenants.get(tenant)
        waits = not self.admits(now) or (known is not None and known.waits(now)) or tenant in self._probed_tenants(now)
        return WaitReason.FAILURE_BREAKER if waits else None

    @property
    def deprioritized(self) -> frozenset[str]:
        """Tenants that probe again only when there are no others."""
        return frozenset(self._deprioritized)

    def is_open(self, now: float) -> bool:
        """Whether the jobs of any tenant wait."""
        return not self.admits(now) or bool(self.waiting(now))

    def begin(self, tenant: str, now: float) -> None:
        """Note that a job starts."""
        if self._cooldowns:
            self._probing[tenant] = now
        if (known := self._tenants.get(tenant)) is not None and known.cooldowns:
            known.begun.append(now)

    def end(self, tenant: str, failed: bool | None, now: float) -> Cooldown | None:
        """Note how a job ended: well, `failed`, or (None) in a way that says nothing; returns the cooldown if that is too much."""
        self._probing.pop(tenant, None)
        state = self._state_of(tenant)
        if state.begun:
            state.begun.popleft()
        if failed is None or now < max(self._until, state.until):  # in a cooldown: it started before that
            return None
        state.ends.append(failed)
        state.ended_at = now
        if failed:
            return self._failure(tenant, state, now)
        state.cooldowns = state.failures = 0
        if self._cooldowns:
            self._close(now)
        return None

    def _failure(self, name: str, tenant: _Tenant, now: float) -> Cooldown | None:
        tenant.failures += 1
        if self._cooldowns:
            self._failed += 1
            self._deprioritized.add(name)
        if self._failed >= PROBES or (not self._cooldowns and self._no_tenant_ends_well(now)):
            return Cooldown(self._cool_down(now), None)
        # among probes one failure is enough: no tenant may use up all of them
        return Cooldown(tenant.cool_down(now), name) if self._cooldowns or tenant.fails_too_often else None

    def _no_tenant_ends_well(self, now: float) -> bool:
        # those with a cooldown of their own are kept in check as it is
        recent = (tenant for tenant in self._tenants.values() if now - tenant.ended_at <= RECENT)
        judged = [tenant for tenant in recent if tenant.ends and not tenant.cooldowns]
        failures = sum(min(tenant.failures, OF_ONE) for tenant in judged)
        return failures >= ENOUGH and sum(tenant.fails for tenant in judged) >= MOST_TENANTS * len(judged)

    def _cool_down(self, now: float) -> float:
        seconds = _cooldown_seconds(self._cooldowns)
        self._cooldowns, self._until, self._failed = self._cooldowns + 1, now + seconds, 0
        self._probing.clear()
        for tenant in self._tenants.values():
            tenant.failures = 0
        return seconds

    def _close(self, now: float) -> None:
        self._cooldowns = self._failed = 0
        self._probing.clear()
        self._deprioritized.clear()
        for tenant in self._tenants.values():
            tenant.until = min(tenant.until, now)

    def _probed_tenants(self, now: float) -> set[str]:
        return {tenant for tenant, since in self._probing.items() if now - since < PROBE_SECONDS}

    def _state_of(self, tenant: str) -> _Tenant:
        state = self._tenants.setdefault(tenant, _Tenant())
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > REMEMBERED:
            self._tenants.popitem(last=False)
        return state


def _cooldown_seconds(cooldowns: int) -> float:
    return GPU_FAILURES.wait(cooldowns + 1)
