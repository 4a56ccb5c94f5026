"""When a call is sent again: only where nothing is done twice, and not for ever."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.client import AnswerError, AnswerLost, ClientError, Retries, UnexpectedAnswer, Unreachable
from producers.client.protocol.answers import retry_after
from producers.client.protocol.retries import AGAIN, LONGEST_PAUSE_SECONDS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ERRORS: list[ClientError] = [
    Unreachable("x"),
    AnswerLost("x"),
    *(AnswerError("x", status) for status in (400, 404, 409, 422, 429, 500, 502, 503, 504)),
    UnexpectedAnswer("x", 200),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_what_could_be_done_twice_is_not_sent_again(error: ClientError) -> None:
    """Nothing was done where no connection came about."""
    pause = Retries().pause(error, 1, 0.0, is_repeatable=False)
    assert (pause is not None) == isinstance(error, Unreachable)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_what_stays_as_it_is_is_not_sent_again(error: ClientError) -> None:
    pause = Retries().pause(error, 1, 0.0)
    assert (pause is not None) == (not isinstance(error, AnswerError) or error.status in AGAIN)


@given(
    attempt=st.integers(1, 20),
    elapsed=st.floats(0, 100),
    named=st.none() | st.floats(0, 100),
    attempts=st.integers(1, 20),
)
def test_every_pause_is_within_its_limits(attempt: int, elapsed: float, named: float | None, attempts: int) -> None:
    retries = Retries(attempts=attempts, seconds=60)
    pause = retries.pause(AnswerError("x", 503, named), attempt, elapsed)
    if pause is not None:
        assert attempt < attempts
        assert elapsed + pause <= 60
        assert (named or 0.0) <= pause <= max(LONGEST_PAUSE_SECONDS, named or 0.0)
        assert pause > 0
    assert retries.within(0).pause(AnswerError("x", 503, named), attempt, elapsed) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        (" 0 ", 0.0),
        ("soon", None),
        ("-5", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
    ],
)
def test_both_forms_of_retry_after_are_read(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
