"""All retry schedules of the service, used by the code and by the documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.retries.backoff import Backoff, FixedWaits

HOUR = 3600


@dataclass(frozen=True, slots=True)
class TopicLadder:
    """The retry topics of a group: the name of each step in its topic's name, and its fixed delay in seconds.

    A step that is removed goes from `steps` to `retired`: its topics get no more records and are read on, for what
    lies there belongs to jobs. It may go from there once its topics have been empty for as long as they keep records.
    """

    steps: Mapping[str, float]
    retired: Mapping[str, float] = field(default_factory=dict)

    @property
    def read(self) -> dict[str, float]:
        """The steps whose topics are read."""
        return {**self.retired, **self.steps}


LADDER = TopicLadder({"1m": 60, "10m": 600, "1h": HOUR})

GPU_JOBS = FixedWaits(seconds=tuple(LADDER.steps.values()))
GPU_OUTAGES = Backoff(first=1.0, cap=15.0, jitter=(0.5, 1.0))
GPU_FAILURES = Backoff(first=30.0, cap=600.0)
GPU_COMMITS = Backoff(first=0.1, cap=5.0)
RECORDS = Backoff(first=0.1, factor=3.0, cap=5.0, jitter=(0.5, 1.0))
RECORD_TRIES = 4
WEBHOOKS = FixedWaits(
    seconds=(5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
    jitter=(0.9, 1.1),
)
ENHANCEMENTS = FixedWaits(seconds=(10, 60, 300, 1800, 2 * HOUR), jitter=(0.8, 1.2))
ENHANCED_AI_AWAY = Backoff(first=5.0, cap=300.0)
OUTAGES = Backoff(first=1.0, factor=1.0, cap=1.0)
LOOKS = Backoff(first=0.2, factor=1.3, cap=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """One schedule for readers: the retried operation, its waits, its end, and its storage meanwhile."""

    retried: str
    waits: Backoff | FixedWaits
    limit: str
    kept_in: str


SCHEDULES: Mapping[str, RetrySchedule] = {
    "GPU_JOBS": RetrySchedule(
        retried="a job that failed by a fault that passes",
        waits=GPU_JOBS,
        limit=f"{GPU_JOBS.attempts} attempts, then a failed result and a dead letter",
        kept_in="the record itself, in the topic of its step",
    ),
    "GPU_OUTAGES": RetrySchedule(
        retried="a job whose outside system (store, source, registry) is away",
        waits=GPU_OUTAGES,
        limit="none: the attempt goes on until the process drains or loses the partition",
        kept_in="its worker; the offset is not committed",
    ),
    "GPU_FAILURES": RetrySchedule(
        retried="jobs of a process, or of a tenant, that fail one after the other by no fault of theirs",
        waits=GPU_FAILURES,
        limit="none: one job that ends well ends it",
        kept_in="the failure breaker of the process",
    ),
    "GPU_COMMITS": RetrySchedule(
        retried="a transaction of results and offsets that was aborted, or whose broker is away",
        waits=GPU_COMMITS,
        limit="none: until it is committed or the partition is lost",
        kept_in="the committer of the group",
    ),
    "RECORDS": RetrySchedule(
        retried="a record of persist, enhance and webhooks while something is away",
        waits=RECORDS,
        limit=f"none for outages; {RECORD_TRIES} tries for faults that pass, then a dead letter",
        kept_in="its agent; the offset is not committed",
    ),
    "WEBHOOKS": RetrySchedule(
        retried="a delivery of a webhook that was not answered with 2xx",
        waits=WEBHOOKS,
        limit=f"{WEBHOOKS.attempts} attempts, then it is exhausted; Retry-After may make a wait longer",
        kept_in="`webhook_deliveries.next_attempt_at`",
    ),
    "ENHANCEMENTS": RetrySchedule(
        retried="a call of the enhanced-AI service that failed",
        waits=ENHANCEMENTS,
        limit=f"{ENHANCEMENTS.attempts} attempts, then the enhancement fails; a throttled one costs no attempt",
        kept_in="`enhancement_calls.next_attempt_at`",
    ),
    "ENHANCED_AI_AWAY": RetrySchedule(
        retried="all calls of the enhanced-AI service while it is away",
        waits=ENHANCED_AI_AWAY,
        limit="none: one answer closes the circuit breaker",
        kept_in="the circuit breaker of the dispatcher; the calls stay in `enhancement_calls`",
    ),
    "OUTAGES": RetrySchedule(
        retried="relay, leases, listeners and starts whose database or broker is away",
        waits=OUTAGES,
        limit="none",
        kept_in="outbox and tables; nothing in the process",
    ),
    "LOOKS": RetrySchedule(
        retried="a look of `scribe watch` and `scribe enhance --watch` at what has not changed",
        waits=LOOKS,
        limit="none for a job; a service that is away is given up after a minute",
        kept_in="the command",
    ),
}
"""By the name of their waits in this module."""
