"""A model of KEDA and of the horizontal pod autoscaler for one metric of the kind AverageValue. Pure.

By their documentation and source: the autoscaler looks every 15 s; the wanted number is the metric over the threshold,
rounded up, and the present one while the two differ by a tenth at most; of the recommendations within a stabilization
window the lowest counts for more and the highest for fewer; policies bound the change from what there was a period ago
(kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, pkg/controller/podautoscaler). KEDA wakes from zero
at its polls, and goes to zero when nothing was active for the cool-down; the autoscaler itself keeps one at least
(keda.sh/docs/latest/concepts/scaling-deployments).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SYNC_SECONDS = 15
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Policy:
    """The most that may change in a period: so many pods, or so many of a hundred."""

    type: str
    value: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Rules:
    """A ScaledObject's numbers."""

    threshold: float
    most: int
    polling_seconds: int
    cooldown_seconds: int
    up_window: int
    down_window: int
    up: tuple[Policy, ...]
    down: tuple[Policy, ...]


def rules_of(scaled_object: Mapping[str, Any]) -> Rules:
    """The rules of a ScaledObject with one trigger, defaults of Kubernetes and KEDA included."""
    spec = scaled_object["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behavior.get("scaleUp", {}), behavior.get("scaleDown", {})
    return Rules(
        threshold=float(spec["triggers"][0]["metadata"]["threshold"]),
        most=spec["maxReplicaCount"],
        polling_seconds=spec.get("pollingInterval", 30),
        cooldown_seconds=spec.get("cooldownPeriod", 300),
        up_window=up.get("stabilizationWindowSeconds", 0),
        down_window=down.get("stabilizationWindowSeconds", 300),
        up=_policies(up, (Policy("Pods", 4, 15), Policy("Percent", 100, 15))),
        down=_policies(down, (Policy("Percent", 100, 15),)),
    )


def _policies(rules: Mapping[str, Any], default: tuple[Policy, ...]) -> tuple[Policy, ...]:
    if rules.get("selectPolicy", "Max") != "Max":
        raise ValueError("only selectPolicy Max is modelled")
    found = rules.get("policies")
    return tuple(Policy(p["type"], p["value"], p["periodSeconds"]) for p in found) if found else default


@dataclass(slots=True)
class Autoscaler:
    """The number of pods that are wanted, from one look to the next."""

    rules: Rules
    replicas: int = 0
    _active_at: float = -math.inf
    _recommended: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)

    def look(self, now: float, metric: float) -> int:
        """The number wanted at `now`, a multiple of five seconds."""
        if now % self.rules.polling_seconds == 0:
            self._wake_or_rest(now, metric)
        if self.replicas and now % SYNC_SECONDS == 0:
            self._set(now, self._next(now, metric))
        return self.replicas

    def _wake_or_rest(self, now: float, metric: float) -> None:
        if metric > 0:
            self._active_at = now
            self.replicas = max(1, self.replicas)
        elif self.replicas and now - self._active_at >= self.rules.cooldown_seconds:
            self.replicas = 0
            self._recommended.clear()
            self._changes.clear()

    def _set(self, now: float, replicas: int) -> None:
        """The autoscaler's own change; those of KEDA, from and to zero, count in no policy."""
        if replicas != self.replicas:
            self._changes.append((now, replicas - self.replicas))
            self.replicas = replicas

    def _next(self, now: float, metric: float) -> int:
        rules, current = self.rules, self.replicas
        ratio = metric / (rules.threshold * current)
        wanted = current if abs(1 - ratio) <= TOLERANCE else math.ceil(metric / rules.threshold)
        self._recommended.append((now, min(max(wanted, 1), rules.most)))
        longest = max(rules.up_window, rules.down_window)
        self._recommended = [(at, each) for at, each in self._recommended if at >= now - longest]
        lowest = min(each for at, each in self._recommended if at >= now - rules.up_window)
        highest = max(each for at, each in self._recommended if at >= now - rules.down_window)
        if current < lowest:
            return min(lowest, max(self._bound(now, each, up=True) for each in rules.up))
        if current > highest:
            return max(highest, min(self._bound(now, each, up=False) for each in rules.down))
        return current

    def _bound(self, now: float, policy: Policy, *, up: bool) -> int:
        """The farthest that a policy lets the number go from what it was at the period's beginning."""
        before = self.replicas - sum(change for at, change in self._changes if at > now - policy.seconds)
        if policy.type == "Pods":
            return before + policy.value if up else before - policy.value
        share = policy.value / 100
        return math.ceil(before * (1 + share)) if up else math.floor(before * (1 - share))
