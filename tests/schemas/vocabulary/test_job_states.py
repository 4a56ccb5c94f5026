"""The moves of a job: forward only, to one end, from wherever it stands."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Outcome, Stage
from schemas.vocabulary.job_states import ENDED, JOB_STATES, MOVES, RUNNING, UNFINISHED, JobState, may_become

STATES = st.sampled_from(JobState)


def test_the_words_are_those_of_the_events() -> None:
    """A stage or an outcome that is added is a state too, or its first event ends the process that applies it."""
    assert ("queued", *Stage, *Outcome) == JOB_STATES
    assert frozenset(Outcome) == ENDED
    assert (JobState.QUEUED, *RUNNING) == UNFINISHED


@given(st.lists(STATES))
def test_a_run_goes_forward_and_ends_once(wanted: list[JobState]) -> None:
    """Whatever events come in whatever order."""
    state, seen = JobState.QUEUED, [JobState.QUEUED]
    for each in wanted:
        if may_become(state, each):
            state = each
            seen.append(state)
    assert seen == sorted(set(seen), key=list(JobState).index)
    assert sum(each in ENDED for each in seen) <= 1


@given(STATES, STATES)
def test_any_job_ends_and_any_job_begins_anew(before: JobState, after: JobState) -> None:
    assert may_become(before, after) == (
        before not in ENDED and list(JobState).index(after) > list(JobState).index(before)
    )
    assert may_become(before, after, later_run=True) == (after is JobState.QUEUED)
    assert set(MOVES) == set(JobState)
