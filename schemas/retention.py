"""How long each class of data is kept: the defaults, what may be chosen instead, and what a choice must satisfy. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FOREVER = -1
"""The number of days of what is never deleted."""
MAX_DAYS = 36_500

Mistake = tuple[str, str]  # class, what is wrong with it


@dataclass(frozen=True, slots=True)
class DataClass:
    """One class of data: its default days, what it covers, and since when the days count."""

    name: str
    days: int
    covers: str
    counts_from: str
    per_tenant: bool = True


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
    """What `days_of` reads."""
    return "forever" if days == FOREVER else str(days)


def tenant_mistakes(days: Mapping[str, int]) -> Iterator[Mistake]:
    """What is wrong with the days that a tenant chose, by class."""
    for name, value in days.items():
        if name not in CLASSES:
            yield name, f"is no class of data; there are {', '.join(c.name for c in CLASSES.values() if c.per_tenant)}"
        elif not CLASSES[name].per_tenant:
            yield name, "is kept as long for all tenants"
        elif value != FOREVER and not 0 <= value <= MAX_DAYS:
            yield name, f"must be a number of days up to {MAX_DAYS}, or forever ({FOREVER})"
