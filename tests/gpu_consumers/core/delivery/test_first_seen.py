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
    firsts: FirstSeen[str] = FirstSeen()
    assert firsts.claim(KEY, FIRST, "a") is DuplicateVerdict.RUN
    assert firsts.claim(KEY, SECOND, "b") is DuplicateVerdict.WAIT
    assert firsts.end(KEY, "a", final=True) == ["b"]
    assert firsts.claim(KEY, SECOND, "b") is DuplicateVerdict.SKIP


def test_the_second_runs_when_the_first_was_dropped_or_put_off() -> None:
    firsts: FirstSeen[str] = FirstSeen()
    firsts.claim(KEY, FIRST, "a")
    firsts.claim(KEY, SECOND, "b")
    assert firsts.end(KEY, "a", final=False) == ["b"]
    assert firsts.claim(KEY, SECOND, "b") is DuplicateVerdict.RUN


def test_a_retry_of_the_first_is_no_duplicate() -> None:
    firsts: FirstSeen[str] = FirstSeen()
    for attempt in "abc":
        assert firsts.claim(KEY, FIRST, attempt) is DuplicateVerdict.RUN
        firsts.end(KEY, attempt, final=attempt == "b")


def test_a_re_read_takes_over_from_what_can_no_longer_commit() -> None:
    firsts: FirstSeen[str] = FirstSeen()
    firsts.claim(KEY, FIRST, "before the rebalance")
    assert firsts.claim(KEY, FIRST, "after it") is DuplicateVerdict.RUN
    assert firsts.claim(KEY, SECOND, "b") is DuplicateVerdict.WAIT
    assert firsts.end(KEY, "before the rebalance", final=False) == []
    assert firsts.end(KEY, "after it", final=True) == ["b"]


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
    firsts: FirstSeen[str] = FirstSeen()
    firsts.claim(KEY, FIRST, "a")
    firsts.end(KEY, "a", final=True)
    assert firsts.claim(key_of(replace(BARE_REQUEST, **changes)), SECOND, "b") is DuplicateVerdict.RUN


@pytest.mark.parametrize(
    "changes", [{"metadata": {"n": "2"}}, {"webhook_url": "https://hooks.example/b"}, {"priority": Priority.EXPRESS}]
)
def test_what_is_beside_a_request_makes_it_no_other_one(changes: dict[str, Any]) -> None:
    assert key_of(replace(BARE_REQUEST, **changes)) == KEY


def test_memory_is_bounded_and_keeps_what_was_asked_for_last() -> None:
    firsts: FirstSeen[int] = FirstSeen(remembered=2)
    keys = [(f"t{number}", *KEY[1:]) for number in range(3)]
    for number, key in enumerate(keys):
        firsts.claim(key, FIRST, number)
        firsts.end(key, number, final=True)
        firsts.claim(keys[0], SECOND, 9)
    found = [firsts.claim(key, SECOND, number) for number, key in enumerate(keys)]
    assert found == [DuplicateVerdict.SKIP, DuplicateVerdict.RUN, DuplicateVerdict.SKIP]


@dataclass(eq=False)
class Twin:
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
    firsts: FirstSeen[Twin] = FirstSeen()
    twins = [Twin(number, data.draw(st.integers(0, 2))) for number in range(count)]
    committed = 0
    while active := [twin for twin in twins if twin.state in ("queued", "running")]:
        twin = data.draw(st.sampled_from(active))
        if twin.state == "queued":
            twin.state = firsts.claim(KEY, twin.origin, twin)
            twin.state = {"run": "running", "wait": "waiting", "skip": "skipped"}[twin.state]
            assert twin.state != "skipped" or committed
        else:
            end = data.draw(ENDS) if twin.attempts else "committed"
            twin.attempts -= 1
            twin.state = "done" if end == "committed" else "queued"
            committed += end == "committed"
            for waiting in firsts.end(KEY, twin, final=end == "committed"):
                assert waiting.state == "waiting"
                waiting.state = "queued"
        assert Counter(t.state for t in twins)["running"] <= 1
    assert committed == 1
    assert {twin.state for twin in twins} <= {"done", "skipped"}


def test_those_that_wait_for_the_first_can_be_seen() -> None:
    firsts: FirstSeen[str] = FirstSeen()
    for origin, runner in ((FIRST, "a"), (SECOND, "b"), (Origin("jobs", 1, 1), "c")):
        firsts.claim(KEY, origin, runner)
    assert firsts.waiting() == ["b", "c"]
    firsts.end(KEY, "a", final=True)
    assert firsts.waiting() == []
