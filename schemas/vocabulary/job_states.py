"""The states of a job and the transitions between them, for rows, histories, filters and commands."""

from collections.abc import Mapping
from enum import StrEnum

from schemas.events import Outcome, Stage


class JobState(StrEnum):
    """States of a job in their order; all but the first are a Stage of the work or an Outcome."""

    QUEUED = "queued"
    TRANSCRIBING = Stage.TRANSCRIBING.value
    DIARIZING = Stage.DIARIZING.value
    COMPLETED = Outcome.COMPLETED.value
    FAILED = Outcome.FAILED.value
    CANCELLED = Outcome.CANCELLED.value


JOB_STATES: tuple[str, ...] = tuple(str(state) for state in JobState)
_ENDS = frozenset(JobState(outcome) for outcome in Outcome)
MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.TRANSCRIBING, JobState.DIARIZING}) | _ENDS,
    JobState.TRANSCRIBING: frozenset({JobState.DIARIZING}) | _ENDS,
    JobState.DIARIZING: _ENDS,
    **dict.fromkeys(_ENDS, frozenset[JobState]()),
}
"""The moves within a run: never back, and none from an end, whatever order events come in. A later run begins queued."""
ENDED: frozenset[str] = frozenset(state for state in JobState if not MOVES[state])
"""The states in which a job stays."""
UNFINISHED: tuple[JobState, ...] = tuple(state for state in JobState if MOVES[state])
RUNNING: tuple[JobState, ...] = tuple(JobState(stage) for stage in Stage)


def may_become(before: JobState, after: JobState, *, later_run: bool = False) -> bool:
    """Whether an event may move a job from one state to another, in the same run or by starting a later one."""
    return after is JobState.QUEUED if later_run else after in MOVES[before]
