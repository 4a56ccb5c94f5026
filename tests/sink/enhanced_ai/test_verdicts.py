"""What each answer without success means, and that nothing of its words gets out."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.errors import Outage, Permanent, ScribeError, Transient
from schemas.ports import Throttled
from sink.enhanced_ai.verdicts import Misconfigured, ServiceRefusal, failure_of_exchange, failure_of_status
from sink.http.exchange import ExchangeFailed, FailureKind

NOW = datetime(2026, 1, 2, tzinfo=UTC)
UNKNOWN = json.dumps({"error": {"message": "The model `large` does not exist", "code": "model_not_found"}}).encode()


def verdict(status: int, body: bytes = b"", model: str | None = "large", **headers: str) -> ScribeError | None:
    return failure_of_status(status, {k.replace("_", "-"): v for k, v in headers.items()}, body, NOW, model)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Misconfigured) for status in (300, 302, 308, 401, 402, 403, 404, 405, 407)),
        *((status, ServiceRefusal) for status in (400, 410, 413, 415, 418, 422)),
        *((status, Outage) for status in (502, 503)),
        *((status, Throttled) for status in (429, 529)),
        *((status, Transient) for status in (408, 409, 425, 500, 501, 504, 599)),
        *((status, type(None)) for status in (200, 201, 204)),
    ],
)
def test_each_status_is_somebodys_move(status: int, kind: type) -> None:
    assert type(verdict(status)) is kind


def test_a_time_to_wait_makes_an_outage_a_pause() -> None:
    for status in (429, 503):
        error = verdict(status, retry_after="Fri, 02 Jan 2026 00:01:00 GMT")
        assert isinstance(error, Throttled)
        assert error.retry_after == 60


def test_a_model_that_is_not_there_holds_up_nobody_else() -> None:
    error = verdict(404, UNKNOWN)
    assert isinstance(error, ServiceRefusal)
    assert "model_not_found" in str(error)
    assert isinstance(verdict(404, UNKNOWN, model="small"), Misconfigured)
    assert isinstance(verdict(404, UNKNOWN, model=None), Misconfigured)


@given(st.integers(300, 599), st.binary(max_size=40) | st.text().map(lambda t: json.dumps({"error": t}).encode()))
def test_every_body_has_a_verdict(status: int, body: bytes) -> None:
    assert isinstance(verdict(status, body), Permanent | Transient | Outage)


@given(st.text(min_size=8), st.sampled_from(["message", "detail", "param", "code", "type"]))
def test_words_of_the_service_are_repeated_to_nobody(words: str, name: str) -> None:
    """An identifier is, whatever else looks like one."""
    assume(words not in str(verdict(400)))  # what is said without them
    error = verdict(400, json.dumps({"error": {name: words}}).encode())
    assert isinstance(error, ServiceRefusal)
    assert words not in str(error) or (name in ("code", "type") and words.isascii() and " " not in words)


def test_what_breaks_before_the_request_is_sent_is_no_transcripts_fault() -> None:
    for kind in FailureKind:
        assert isinstance(failure_of_exchange(ExchangeFailed(kind, "x")), Outage)


def test_what_breaks_after_the_request_was_sent_costs_an_attempt() -> None:
    """A transcript that brings the service down must not do so for ever."""
    for kind in (FailureKind.PROTOCOL, FailureKind.TIMEOUT, FailureKind.BROKEN):
        assert isinstance(failure_of_exchange(ExchangeFailed(kind, "x", sent=True)), Transient)
