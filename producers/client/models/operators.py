"""Dead letters of all groups, and explanations of jobs of any tenant, for operators."""

from datetime import datetime
from uuid import UUID

from .document import Document
from .jobs import Wait


class Handling(Document):
    """The last action of an operator on a dead letter; not known to have ended where `is_done` is false."""

    action: str
    requested_by: str
    at: datetime
    is_done: bool


class DeadLetter(Document):
    """A record that a consumer group has set aside; `key` to `value_chars` are those of one that was read by its name."""

    item: str
    at: datetime
    group: str
    kind: str
    code: str
    message: str
    tenant: str | None
    job_id: UUID | None
    event: str | None
    run: int | None
    origin: str | None
    value_omitted: bool
    unreadable: bool
    handled: Handling | None
    key: str | None = None
    headers: dict[str, str] | None = None
    form: str | None = None
    value: str = ""
    value_chars: int = 0


class HeldPart(Wait):
    """A part of a job that is held, with the evidence and what to look at."""

    evidence: tuple[str, ...]
    runbook: str


class StuckJob(Document):
    """The state of a job of any tenant, and all its parts that are held."""

    job_id: UUID
    tenant: str | None
    run: int | None
    state: str
    since: datetime | None
    held: bool
    message: str
    evidence: tuple[str, ...]
    waits: tuple[HeldPart, ...]
