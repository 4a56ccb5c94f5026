"""Whatever the order of things, a job runs once at a time, and none is skipped without an end that was committed."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.first_seen import DuplicateVerdict, FirstSeen, key_of
from schemas.events import Options, Priority, Source
from schemas.wire.headers import Origin
from tests.samples import BARE_REQUEST

KEY = key_of(BARE_REQUEST)
FIRST, SECOND = Origin("jobs", 0, 1), Origin("jobs", 0, 2)


def test_the_second_waits_for_the_first_and_is_skipped_after_its_end() -> None:
    first_seen: FirstSeen[str] = FirstSeen()
    assert first_seen.claim(KEY, FIRST, "a") is DuplicateVerdict.RUN
    assert first_seen.claim(KEY, SECOND, "b") is DuplicateVerdict.WAIT
    assert first_seen.end(KEY, "a", final=True) == ["b"]
    assert first_seen.claim(KEY, SECOND, "b") is DuplicateVerdict.SKIP


def test_the_second_runs_when_the_first_was_dropped_or_put_off() -> None:
    first_seen: FirstSeen[str] = FirstSeen()
    first_seen.claim(KEY, FIRST, "a")
    first_seen.claim(KEY, SECOND, "b")
    assert first_seen.end(KEY, "a", final=False) == ["b"]
    assert first_seen.claim(KEY, SECOND, "b") is DuplicateVerdict.RUN


def test_a_retry_of_the_first_is_no_duplicate() -> None:
    first_seen: FirstSeen[str] = FirstSeen()
    for attempt in "abc":
        assert first_seen.claim(KEY, FIRST, attempt) is DuplicateVerdict.RUN
        first_seen.end(KEY, attempt, final=attempt == "b")


def test_a_re_read_takes_over_from_what_can_no_longer_commit() -> None:
    first_seen: FirstSeen[str] = FirstSeen()
    first_seen.claim(KEY, FIRST, "before the rebalance")
    assert first_seen.claim(KEY, FIRST, "after it") is DuplicateVerdict.RUN
    assert first_seen.claim(KEY, SECOND, "b") is DuplicateVerdict.WAIT
    assert first_seen.end(KEY, "before the rebalance", final=False) == []
    assert first_seen.end(KEY, "after it", final=True) == ["b"]


@pytest.mark.parametrize(
    "changes",
    [
        {"run": 2},
        {"tenant": "another"},
        {"options": Options(language="he")},
        {"source": Source(uri="https://media.example/other.opus")},
        {"recording_id": "other"},
    ],
    ids=lambda changes: str(*changes),
)
def test_another_run_tenant_or_request_is_work_of_its_own(changes: dict[str, Any]) -> None:
    first_seen: FirstSeen[str] = FirstSeen()
    first_seen.claim(KEY, FIRST, "a")
    first_seen.end(KEY, "a", final=True)
    assert first_seen.claim(key_of(replace(BARE_REQUEST, **changes)), SECOND, "b") is DuplicateVerdict.RUN


@pytest.mark.parametrize(
    "changes", [{"metadata": {"n": "2"}}, {"webhook_url": "https://hooks.example/b"}, {"priority": Priority.EXPRESS}]
)
def test_what_is_beside_a_request_makes_it_no_other_one(changes: dict[str, Any]) -> None:
    assert key_of(replace(BARE_REQUEST, **changes)) == KEY


def test_memory_is_bounded_and_keeps_what_was_asked_for_last() -> None:
    first_seen: FirstSeen[int] = FirstSeen(remembered=2)
    keys = [(f"t{number}", *KEY[1:]) for number in range(3)]
    for number, key in enumerate(keys):
        first_seen.claim(key, FIRST, number)
        first_seen.end(key, number, final=True)
        first_seen.claim(keys[0], SECOND, 9)
    found = [first_seen.claim(key, SECOND, number) for number, key in enumerate(keys)]
    assert found == [DuplicateVerdict.SKIP, DuplicateVerdict.RUN, DuplicateVerdict.SKIP]


@dataclass(eq=False)
class Duplicate:
    """One of several records of the same job."""

    number: int
    attempts: int
    state: str = "queued"

    @property
    def origin(self) -> Origin:
        return Origin("jobs", 0, self.number)


ENDS = st.sampled_from(["committed", "dropped", "retried"])


@given(st.integers(1, 6), st.data())
def test_no_order_of_things_loses_a_job_or_runs_it_twice_at_a_time(count: int, data: st.DataObject) -> None:
    """Twins start and end in any order; a dropped one comes back later, as after a rebalance."""
    first_seen: FirstSeen[Duplicate] = FirstSeen()
    duplicates = [Duplicate(number, data.draw(st.integers(0, 2))) for number in range(count)]
    committed = 0
    while active := [duplicate for duplicate in duplicates if duplicate.state in ("queued", "running")]:
        duplicate = data.draw(st.sampled_from(active))
        if duplicate.state == "queued":
            duplicate.state = first_seen.claim(KEY, duplicate.origin, duplicate)
            duplicate.state = {"run": "running", "wait": "waiting", "skip": "skipped"}[duplicate.state]
            assert duplicate.state != "skipped" or committed
        else:
            end = data.draw(ENDS) if duplicate.attempts else "committed"
            duplicate.attempts -= 1
            duplicate.state = "done" if end == "committed" else "queued"
            committed += end == "committed"
            for waiting in first_seen.end(KEY, duplicate, final=end == "committed"):
                assert waiting.state == "waiting"
                waiting.state = "queued"
        assert Counter(t.state for t in duplicates)["running"] <= 1
    assert committed == 1
    assert {duplicate.state for duplicate in duplicates} <= {"done", "skipped"}


def test_those_that_wait_for_the_first_can_be_seen() -> None:
    first_seen: FirstSeen[str] = FirstSeen()
    for origin, runner in ((FIRST, "a"), (SECOND, "b"), (Origin("jobs", 1, 1), "c")):
        first_seen.claim(KEY, origin, runner)
    assert first_seen.waiting() == ["b", "c"]
    first_seen.end(KEY, "a", final=True)
    assert first_seen.waiting() == []
