"""Sets of job states as SQL literals, since the planner uses a partial index only where it reads the same literals."""

from collections.abc import Iterable

from schemas.vocabulary.job_states import ENDED, JOB_STATES, UNFINISHED


def _literals(states: Iterable[str]) -> str:
    quoted = (f"'{state}'" for state in states)
    return f"({', '.join(quoted)})"


ENDED_STATES = _literals(state for state in JOB_STATES if state in ENDED)
UNFINISHED_STATES = _literals(UNFINISHED)
