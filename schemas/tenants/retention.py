"""Retention periods of each class of data: defaults, permitted choices, and resulting times. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.events import TenantPolicy
from schemas.topics import JOBS, SEGMENT_DAYS, TOPICS
from schemas.vocabulary.nearest import unknown

FOREVER = -1
"""The number of days of what is never deleted."""
MAX_DAYS = 36_500
MARGIN_DAYS = 7
LONGEST_TOPIC_DAYS = max(topic.retention_days or 0 for topic in TOPICS.values()) + SEGMENT_DAYS
"""The longest time from the writing of a job's record until the broker has deleted it."""
REPLAY_DAYS = LONGEST_TOPIC_DAYS + MARGIN_DAYS
"""As long as an event may be read again, whatever keeps it from being applied again must stay."""
UPLOAD_DAYS = (TOPICS[JOBS].retention_days or 0) + SEGMENT_DAYS + MARGIN_DAYS
"""An upload that no job named within so many days is nobody's: no record that names it can still be read."""

Mistake = tuple[str, str]  # class, what is wrong with it


@dataclass(frozen=True, slots=True)
class DataClass:
    """One class of data: its default days, its contents, and the event from which the days count."""

    name: str
    days: int
    covers: str
    counts_from: str
    per_tenant: bool = True
    least_days: int = 0


_END = "the job's end"
# fmt: off
CLASSES: dict[str, DataClass] = {
    kept.name: kept
    for kept in (
        DataClass("audio", 30, "recordings: uploads, and copies of what was fetched", _END),
        DataClass("artifacts", 30, "claim checks, checkpoints, and what one stage leaves for the next", _END),
        DataClass("transcripts", 365, "the job: its transcript, and with it all else that is left of it", _END),
        DataClass("history", 365, "the changes of a job's state", _END),
        DataClass("enhancements", 365, "summaries, entities, and answers of the enhanced-AI service", _END),
        DataClass("idempotency", 30, "the digest by which a request that is sent again is recognised", _END),
        DataClass("deliveries", 30, "payloads of webhooks, their attempts and the answers", "the delivery's end"),
        DataClass("outbox", 1, "records that the relay has published", "their publication", per_tenant=False),
        DataClass("dead_letters", 30, "outbox rows that Kafka refused; dead letters themselves as their topics say", "their failure", per_tenant=False),
        DataClass("applied_events", 45, "ids of applied events, which make replays harmless", "their application", per_tenant=False, least_days=REPLAY_DAYS),
        DataClass("replays", 365, "which records operators sent again or discarded", "that time", per_tenant=False, least_days=REPLAY_DAYS),
        DataClass("spending", 1095, "how many tokens of the enhanced-AI service a tenant used in a day", "the day", per_tenant=False, least_days=2),
        DataClass("usage", 1095, "what was done for a tenant in a day: jobs, audio, time of workers, bytes", "the day", per_tenant=False, least_days=2),
        DataClass("evidence", 1095, "who asked for which erasure, when, and what was deleted", "the erasure", per_tenant=False),
    )
}
# fmt: on


def days_of(text: str) -> int:
    """The number of days that `7` or `forever` stands for; raises ValueError for anything else."""
    if text == "forever":
        return FOREVER
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > MAX_DAYS:
        raise ValueError(f"must be a number of days up to {MAX_DAYS}, or forever")
    return int(text)


def days_text(days: int) -> str:
    """Days as text that `days_of` reads."""
    return "forever" if days == FOREVER else str(days)


def mistakes(days: Mapping[str, int]) -> Iterator[Mistake]:
    """Mistakes in the service's own days, by class."""
    for name, value in days.items():
        if name not in CLASSES:
            yield name, unknown("class of data", name, CLASSES)
        elif value != FOREVER and not CLASSES[name].least_days <= value <= MAX_DAYS:
            yield name, f"must be {CLASSES[name].least_days} to {MAX_DAYS} days, or forever"


def tenant_mistakes(days: Mapping[str, int]) -> Iterator[Mistake]:
    """Mistakes in the days that a tenant chose, by class."""
    for name, value in days.items():
        if name in CLASSES and not CLASSES[name].per_tenant:
            yield name, "is kept as long for all tenants"
        elif name not in CLASSES:
            yield name, unknown("class of data", name, [c.name for c in CLASSES.values() if c.per_tenant])
        else:
            yield from mistakes({name: value})


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The days of the service; classes that are not named have their defaults."""

    days: Mapping[str, int] = field(default_factory=dict)

    def days_for(self, name: str, policy: TenantPolicy | None = None) -> int:
        """The days for which a class is kept, for the tenant of a policy, or for all without one."""
        chosen = policy.retention_days if policy else {}
        return chosen.get(name, self.days.get(name, CLASSES[name].days))

    def cutoff(self, name: str, now: datetime, policy: TenantPolicy | None = None) -> datetime | None:
        """The time before which data of a class are expired, None when they never are."""
        days = self.days_for(name, policy)
        return None if days == FOREVER else now - timedelta(days=days)

    def cutoffs(self, now: datetime, policy: TenantPolicy | None = None) -> dict[str, datetime]:
        """The cut-off of every class that a tenant may choose, except classes kept for ever."""
        found = {kept.name: self.cutoff(kept.name, now, policy) for kept in CLASSES.values() if kept.per_tenant}
        return {name: cutoff for name, cutoff in found.items() if cutoff is not None}


def abandoned(cutoff: datetime) -> datetime:
    """The cut-off for jobs without an end: no event of them can come once their last record is gone."""
    return cutoff - timedelta(days=REPLAY_DAYS)


def tombstone_until(now: datetime) -> datetime:
    """The time until which a tombstone must stand that is set, or extended by an event, at `now`."""
    return now + timedelta(days=REPLAY_DAYS)


def last_copy_expires_at(now: datetime) -> datetime:
    """The time at which the last record of a job is gone from every topic, if none is written after `now`.

    The job's own times do not matter: until it is erased, its request may be sent again, and any record of it may be
    dead-lettered or read from a dead-letter topic.
    """
    return now + timedelta(days=LONGEST_TOPIC_DAYS)


LOOKS = tuple(timedelta(hours=hours) for hours in (1, 24, 7 * 24))
"""When an erased job's objects are looked for again: whoever worked on it may have written some meanwhile."""


def next_look(erased_at: datetime, until: datetime, now: datetime) -> datetime:
    """The time of the next check for an erased job's objects, after one at `now`; the last time is `until`."""
    return min((erased_at + after for after in LOOKS if now < erased_at + after < until), default=until)
