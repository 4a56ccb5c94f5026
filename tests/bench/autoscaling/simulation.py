"""A fleet of GPU pods that works through a trace of recordings while the autoscaler changes its size. Pure."""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.bench.autoscaling.scaler import Autoscaler, Rules

TICK = 5
WINDOW_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Recording:
    """A job: when it comes, how long it is and the partition in which it lies."""

    at: float
    seconds: float
    partition: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is assumed of pods: `speed` in seconds of audio a second, `start_seconds` from wanted to ready.

    `metric_delay` is how old the metric is that the autoscaler sees; `cost_delay` how old the deletion cost of a pod.
    """

    speed: float = 20.0
    workers: int = 2
    start_seconds: float = 240.0
    drain_seconds: float = 270.0
    metric_delay: float = 30.0
    cost_delay: float = 10.0
    partitions: int = 12


@dataclass(slots=True)
class _Pod:
    ready_at: float
    work: list[list[float]] = field(default_factory=list)
    cost: int = 0
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trace."""

    jobs: int
    done: int
    killed: int
    most_pods: int
    direction_changes: int
    last_pods: int
    pod_hours: float
    longest_wait: float

    @property
    def killed_share(self) -> float:
        """Part of the jobs that a scale-in interrupted."""
        return self.killed / self.jobs if self.jobs else 0.0


def recordings(trace: Mapping[str, Any], partitions: int) -> list[Recording]:
    """The recordings of a trace, drawn from its phases by its seed."""
    chance, found = random.Random(trace["seed"]), list[Recording]()
    for phase in trace["phases"]:
        begin, end = phase["from_minute"] * 60.0, phase["to_minute"] * 60.0
        at = begin
        for _ in range(phase.get("at_once", 0)):
            found.append(Recording(begin, float(chance.choice(phase["seconds"])), chance.randrange(partitions)))
        while phase.get("per_hour") and (at := at + chance.expovariate(phase["per_hour"] / 3600)) < end:
            found.append(Recording(at, float(chance.choice(phase["seconds"])), chance.randrange(partitions)))
    return sorted(found, key=lambda each: each.at)


def simulate(trace: Mapping[str, Any], rules: Rules, fleet: Fleet) -> Outcome:
    """Run a trace to its end."""
    return _Run(rules, fleet, recordings(trace, fleet.partitions)).outcome(trace["hours"] * 3600)


@dataclass(slots=True)
class _Run:
    rules: Rules
    fleet: Fleet
    coming: Sequence[Recording]
    scaler: Autoscaler = field(init=False)
    pods: list[_Pod] = field(default_factory=list)
    waiting: list[deque[tuple[float, float]]] = field(init=False)
    history: list[int] = field(default_factory=list)
    seen: deque[float] = field(default_factory=deque)
    done: int = 0
    killed: int = 0
    pod_seconds: float = 0.0
    longest_wait: float = 0.0

    def __post_init__(self) -> None:
        self.scaler = Autoscaler(self.rules)
        self.waiting = [deque() for _ in range(self.fleet.partitions)]

    def outcome(self, seconds: float) -> Outcome:
        coming, now = deque(self.coming), 0.0
        while now < seconds:
            while coming and coming[0].at <= now:
                job = coming.popleft()
                self.waiting[job.partition].append((job.at, job.seconds))
            self.step(now)
            now += TICK
        changes = direction_changes(self.history)
        hours = self.pod_seconds / 3600
        jobs, last = len(self.coming), self.history[-1]
        most = max(self.history)
        return Outcome(jobs, self.done, self.killed, most, changes, last, hours, self.longest_wait)

    def step(self, now: float) -> None:
        """Five seconds of the fleet: measure, scale, give out work, work."""
        self.seen.append(
            sum(s for queue in self.waiting for _, s in queue) + sum(w[1] for p in self.pods for w in p.work)
        )
        late = int(self.fleet.metric_delay // TICK)
        metric = self.seen[0] if len(self.seen) <= late else self.seen.popleft()
        self.scale(now, self.scaler.look(now, metric))
        ready = [pod for pod in self.pods if pod.ready_at <= now and pod.gone_at is None]
        for partition, queue in enumerate(self.waiting):
            owner = ready[partition % len(ready)] if ready else None
            while owner and queue and len(owner.work) < self.fleet.workers:
                came, seconds = queue.popleft()
                self.longest_wait = max(self.longest_wait, now - came)
                owner.work.append([seconds, seconds])
        self.work(now)
        self.history.append(self.scaler.replicas)

    def scale(self, now: float, wanted: int) -> None:
        alive = [pod for pod in self.pods if pod.gone_at is None]
        for _ in range(wanted - len(alive)):
            self.pods.append(_Pod(now + self.fleet.start_seconds))
        # a ReplicaSet ends pods that are not ready first, then those of low deletion cost, then the youngest
        order = sorted(alive, key=lambda pod: (pod.ready_at <= now, pod.cost, -pod.ready_at))
        for pod in order[: max(0, len(alive) - wanted)]:
            pod.gone_at = now + self.fleet.drain_seconds

    def work(self, now: float) -> None:
        for pod in self.pods:
            if pod.work:
                share = self.fleet.speed * TICK / len(pod.work)
                for job in pod.work:
                    job[0] -= share
                self.done += sum(1 for job in pod.work if job[0] <= 0)
                pod.work = [job for job in pod.work if job[0] > 0]
            if now % self.fleet.cost_delay == 0:
                pod.cost = len(pod.work)
            if pod.gone_at is not None and pod.gone_at <= now:
                self.killed += len(pod.work)
                # another process goes on from the last checkpoint
                for remaining, _ in pod.work:
                    self.waiting[0].append((now, remaining))
                pod.work = []
        self.pods = [pod for pod in self.pods if pod.gone_at is None or (pod.work and pod.gone_at > now)]
        self.pod_seconds += TICK * len(self.pods)


def direction_changes(history: Sequence[int]) -> int:
    """The most changes between growing and shrinking within any ten minutes."""
    moves = [
        (index, 1 if after > before else -1)
        for index, (before, after) in enumerate(pairwise(history))
        if after != before
    ]
    turns = [at * TICK for (_, before), (at, after) in pairwise(moves) if before != after]
    return max((sum(1 for each in turns if begin <= each < begin + WINDOW_SECONDS) for begin in turns), default=0)
