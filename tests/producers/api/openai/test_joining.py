"""Which job answers a request: pure, over any jobs that it made before."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.api.openai.joining import JOBS, WINDOW, JobIds
from schemas.events import JobRequested
from schemas.vocabulary.job_states import JOB_STATES, UNFINISHED
from sink.jobs.queries import JobRow
from tests.samples import AT, BARE_REQUEST

KEY = "3T9cKq0wZr5L"
NOTHING = dict.fromkeys(JobRow.__dataclass_fields__)
MEDIA, INTERNAL = {"kind": "media", "code": "not_media"}, {"kind": "internal", "code": "quarantined"}


def job(job_id: UUID, state: str, ended_ago: timedelta = timedelta(0), error: Any = None) -> JobRow:
    completed = None if state in UNFINISHED else AT - ended_ago
    return JobRow(**{**NOTHING, "job_id": job_id, "state": state, "completed_at": completed, "error": error})


def first_choice(state: str, *, again: bool = False, ended_ago: timedelta = timedelta(0), error: Any = None) -> bool:
    """Whether a job that was made before is chosen."""
    ids = JobIds(BARE_REQUEST, KEY, AT)
    before = next(ids.choices({}, again=False))
    return next(ids.choices({before: job(before, state, ended_ago, error)}, again=again)) == before


@pytest.mark.parametrize("state", [str(state) for state in UNFINISHED])
def test_a_job_that_runs_is_joined(state: str) -> None:
    assert first_choice(state)


@pytest.mark.parametrize(
    ("state", "error", "fresh", "again"),
    [
        ("completed", None, True, True),
        ("failed", MEDIA, True, True),
        ("failed", INTERNAL, False, True),
        ("cancelled", None, False, True),
    ],
)
def test_an_end_is_told_again_if_it_would_come_again_or_to_the_client_that_waited_for_it(
    state: str, error: Any, fresh: bool, again: bool
) -> None:
    assert (first_choice(state, error=error), first_choice(state, error=error, again=True)) == (fresh, again)
    assert not first_choice(state, error=error, again=True, ended_ago=WINDOW + timedelta(seconds=1))


@given(
    st.lists(st.sampled_from(JOB_STATES), max_size=JOBS),
    st.booleans(),
    st.integers(-3600, 3600),
)
def test_the_choices_are_ids_that_may_be_taken(states: list[str], again: bool, seconds: int) -> None:
    """The last job if it counts, then free ids; the same for whoever looks at the same moment."""
    ids = JobIds(BARE_REQUEST, KEY, AT)
    taken = list(ids.choices({}, again=False))[: len(states)]
    jobs = {job_id: job(job_id, state) for job_id, state in zip(taken, states, strict=True)}
    later = JobIds(replace(BARE_REQUEST, requested_at=AT + timedelta(seconds=seconds)), KEY, AT)
    choices = list(ids.choices(jobs, again=again))
    assert choices == list(later.choices(jobs, again=again))
    assert choices
    assert len(set(choices)) == len(choices)
    assert all(choice not in jobs or choice == taken[-1] for choice in choices)


def other_requests() -> list[JobRequested]:
    source, options = BARE_REQUEST.source, BARE_REQUEST.options
    return [
        replace(BARE_REQUEST, tenant="globex"),
        replace(BARE_REQUEST, source=replace(source, uri="https://media.example/other.opus")),
        replace(BARE_REQUEST, options=replace(options, diarize=not options.diarize)),
        replace(BARE_REQUEST, options=replace(options, prompt="before")),
    ]


def test_another_request_has_other_ids() -> None:
    own = set(JobIds(BARE_REQUEST, KEY, AT).known)
    for other in other_requests():
        assert own.isdisjoint(JobIds(other, KEY, AT).known)


def test_uploads_are_the_same_by_their_content() -> None:
    """Wherever it was put, and whatever it was called."""
    uploads = [
        replace(
            BARE_REQUEST.source, uri=f"upload://{UUID(int=number)}", sha256="ab" * 32, size_bytes=4, name=f"{number}"
        )
        for number in range(2)
    ]
    first, second = (JobIds(replace(BARE_REQUEST, source=source), KEY, AT).known for source in uploads)
    assert first == second


def test_whoever_has_another_key_cannot_name_the_jobs_of_this_one() -> None:
    """Recording and options may be public; the id of a key is not."""
    assert set(JobIds(BARE_REQUEST, KEY, AT).known).isdisjoint(JobIds(BARE_REQUEST, "3T9cKq0wZr5M", AT).known)
