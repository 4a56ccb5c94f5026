"""The retry ladder: delays grow, attempts count up, and it ends."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.retries.topic_ladder import Exhausted, Retry, RetryPolicy
from schemas.topics import GROUPS, RETRY_DELAYS, TOPICS
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
        assert attempt > len(RETRY_DELAYS)
