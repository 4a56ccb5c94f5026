"""The brake of a process: jobs that fail by no fault of theirs make their tenant wait, and everybody where nobody's end well.

While it is on, no job begins, so that a broken machine does not lead thousands of jobs up the ladder. Then a few are tried.
A tenant that sends what breaks is one among others, however many of its jobs end: others wait only when they fail as well.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from schemas.process.wait_reasons import WaitReason

WINDOW = 20  # jobs of one tenant that are looked at
MOST = 0.8  # of them may fail
ENOUGH = 40  # failures that make everybody wait
OF_ONE = 10  # of them may be one tenant's: four tenants fail before the rest must wait
MOST_TENANTS = 0.9  # of them fail then: with fewer than ten it is all of them
IN_A_ROW = 2  # failures after which a tenant counts as one that fails
RECENT = 600.0  # seconds for which the ends of a tenant tell how others will fare
TRIED = 4  # jobs that are tried after a pause; the first that ends well ends the trial
TRIAL = 60.0  # seconds after which a job that is tried keeps no other one from being tried
SHORTEST, LONGEST = 30.0, 600.0  # seconds of a pause; each is twice as long as the one before
REMEMBERED = 1_000  # tenants, the latest


@dataclass(frozen=True, slots=True)
class Cooldown:
    """So many seconds for one tenant, or (None) for everybody."""

    seconds: float
    tenant: str | None


@dataclass(slots=True)
class _Tenant:
    ends: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))  # whether they failed
    ended_at: float = 0.0
    failures: int = 0  # since one ended well, or since everybody waited
    pauses: int = 0
    until: float = 0.0
    begun: deque[float] = field(default_factory=deque)  # since its last pause, and not ended

    def waits(self, now: float) -> bool:
        if now < self.until:
            return True
        return self.pauses > 0 and sum(now - at < TRIAL for at in self.begun) + len(self.ends) >= TRIED

    @property
    def fails(self) -> bool:
        return all(tuple(self.ends)[-IN_A_ROW:])

    @property
    def fails_too_often(self) -> bool:
        return len(self.ends) >= (TRIED if self.pauses else WINDOW) and sum(self.ends) >= MOST * len(self.ends)

    def pause(self, now: float) -> float:
        seconds = _length(self.pauses)
        self.pauses, self.until = self.pauses + 1, now + seconds
        self.ends.clear()
        self.begun.clear()
        return seconds


@dataclass(slots=True)
class FailureBreaker:
    """Times are monotonic seconds."""

    _tenants: OrderedDict[str, _Tenant] = field(default_factory=OrderedDict)
    _pauses: int = 0  # of everybody, since one ended well
    _until: float = 0.0
    _tried: dict[str, float] = field(default_factory=dict)  # since when, one job a tenant
    _failed: int = 0  # of those
    _behind: set[str] = field(default_factory=set)  # whose jobs failed in any trial since one ended well

    def admits(self, now: float) -> bool:
        """Whether jobs of anybody may begin."""
        return now >= self._until and (not self._pauses or len(self._on_trial(now)) + self._failed < TRIED)

    def waiting(self, now: float) -> set[str]:
        """The tenants whose jobs may not begin while those of others may."""
        waiting = {name for name, tenant in self._tenants.items() if tenant.waits(now)}
        return waiting | self._on_trial(now)

    def refusal(self, tenant: str, now: float) -> WaitReason | None:
        """Why no job of a tenant may begin, None when one may."""
        known = self._tenants.get(tenant)
        waits = not self.admits(now) or (known is not None and known.waits(now)) or tenant in self._on_trial(now)
        return WaitReason.FAILURE_BREAKER if waits else None

    @property
    def behind(self) -> frozenset[str]:
        """The tenants that are tried again only when there are no others."""
        return frozenset(self._behind)

    def is_on(self, now: float) -> bool:
        """Whether anybody's jobs wait."""
        return not self.admits(now) or bool(self.waiting(now))

    def begin(self, tenant: str, now: float) -> None:
        """A job begins."""
        if self._pauses:
            self._tried[tenant] = now
        if (known := self._tenants.get(tenant)) is not None and known.pauses:
            known.begun.append(now)

    def end(self, tenant: str, failed: bool | None, now: float) -> Cooldown | None:
        """A job has ended: well, badly, or (None) in a way that tells nothing; who must pause if that is too much."""
        self._tried.pop(tenant, None)
        state = self._of(tenant)
        if state.begun:
            state.begun.popleft()
        if failed is None or now < max(self._until, state.until):  # in a pause: it began before that
            return None
        state.ends.append(failed)
        state.ended_at = now
        if failed:
            return self._failure(tenant, state, now)
        state.pauses = state.failures = 0
        if self._pauses:
            self._end_trial(now)
        return None

    def _failure(self, name: str, tenant: _Tenant, now: float) -> Cooldown | None:
        tenant.failures += 1
        if self._pauses:
            self._failed += 1
            self._behind.add(name)
        if self._failed >= TRIED or (not self._pauses and self._nobody_ends_well(now)):
            return Cooldown(self._pause(now), None)
        # in a trial one failure is enough: what is tried is not for one tenant to use up
        return Cooldown(tenant.pause(now), name) if self._pauses or tenant.fails_too_often else None

    def _nobody_ends_well(self, now: float) -> bool:
        # those that had to wait alone are kept in check as it is
        recent = (tenant for tenant in self._tenants.values() if now - tenant.ended_at <= RECENT)
        judged = [tenant for tenant in recent if tenant.ends and not tenant.pauses]
        failures = sum(min(tenant.failures, OF_ONE) for tenant in judged)
        return failures >= ENOUGH and sum(tenant.fails for tenant in judged) >= MOST_TENANTS * len(judged)

    def _pause(self, now: float) -> float:
        seconds = _length(self._pauses)
        self._pauses, self._until, self._failed = self._pauses + 1, now + seconds, 0
        self._tried.clear()
        for tenant in self._tenants.values():
            tenant.failures = 0
        return seconds

    def _end_trial(self, now: float) -> None:
        self._pauses = self._failed = 0
        self._tried.clear()
        self._behind.clear()
        for tenant in self._tenants.values():
            tenant.until = min(tenant.until, now)

    def _on_trial(self, now: float) -> set[str]:
        return {tenant for tenant, since in self._tried.items() if now - since < TRIAL}

    def _of(self, tenant: str) -> _Tenant:
        state = self._tenants.setdefault(tenant, _Tenant())
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > REMEMBERED:
            self._tenants.popitem(last=False)
        return state


def _length(pauses: int) -> float:
    return min(LONGEST, SHORTEST * 2.0 ** min(pauses, 10))
