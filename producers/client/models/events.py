"""Events of jobs, as a stream of them tells them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from .document import Document


class StreamReady(Document):
    """The stream begins: all that happens from here on is an event of it."""

    EVENT: ClassVar[str] = "ready"
    event_id: str


class StateChanged(Document):
    """A line of a job's history."""

    EVENT: ClassVar[str] = "state"
    event_id: str
    job_id: UUID
    run: int
    state: str
    at: datetime
    detail: dict[str, Any]


class ProgressMade(Document):
    """Progress of a job in seconds of audio; it is not told again after a cut."""

    EVENT: ClassVar[str] = "progress"
    event_id: str
    job_id: UUID
    run: int
    done_seconds: float
    total_seconds: float | None
    fraction: float | None


JobEvent = StreamReady | StateChanged | ProgressMade
"""An event; `event_id` of any is where `events` goes on from."""

EVENTS: dict[str, type[StreamReady] | type[StateChanged] | type[ProgressMade]] = {
    kind.EVENT: kind for kind in (StreamReady, StateChanged, ProgressMade)
}
