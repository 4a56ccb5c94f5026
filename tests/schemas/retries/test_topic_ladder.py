"""The retry ladder: delays grow, attempts count up, and it ends."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.retries.schedules import LADDER, TopicLadder
from schemas.retries.topic_ladder import Exhausted, Retry, RetryPolicy
from schemas.topics import GROUPS, TOPICS
from tests.samples import AT


def test_the_ladder_climbs_and_ends() -> None:
    """1 minute, 10 minutes, an hour, then exhausted."""
    steps = [RetryPolicy("scribe.transcribers").after(attempt, AT) for attempt in (1, 2, 3, 4)]
    delays = [step.not_before - AT for step in steps if isinstance(step, Retry)]
    assert delays == [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)]
    assert steps[3] == Exhausted(4)


@given(st.integers(1, 1000), st.sampled_from(GROUPS[:2]))
def test_every_rung_is_a_topic_and_attempts_grow(attempt: int, group: str) -> None:
    """No record is sent to a topic that nobody creates, none is retried for ever."""
    step = RetryPolicy(group).after(attempt, AT)
    if isinstance(step, Retry):
        assert step.topic in TOPICS
        assert step.attempt == attempt + 1
    else:
        assert attempt > len(LADDER.steps)


def test_a_retired_step_gets_nothing_more_and_is_read_on() -> None:
    """Its records wait as long as before; attempts go on with the steps that are left."""
    policy = RetryPolicy("g", TopicLadder({"1m": 60, "1h": 3600}, retired={"10m": 600}), time_scale=0.5)
    steps = [policy.after(attempt, AT) for attempt in (1, 2, 3)]
    assert [step.topic for step in steps if isinstance(step, Retry)] == ["g.retry.1m", "g.retry.1h"]
    assert steps[2] == Exhausted(3)
    assert policy.longest_waits == {"g.retry.1m": 30, "g.retry.10m": 300, "g.retry.1h": 1800}


def test_no_step_of_a_release_is_forgotten() -> None:
    """The topics of a step that is in no table are read by nobody: whoever removes one moves it to `retired`."""
    released = {"1m", "10m", "1h"}
    assert released <= set(LADDER.read), "move removed steps to TopicLadder.retired, see schemas/retries/schedules.py"
    assert not set(LADDER.steps) & set(LADDER.retired)
    assert list(LADDER.steps.values()) == sorted(LADDER.steps.values())
