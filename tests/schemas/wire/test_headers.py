"""Headers carry the trace, the first origin and the attempt through retries, and bear any garbage."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import headers as h
from tests.samples import AT, FULL_REQUEST

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def test_event_headers_are_cloudevents_in_binary_mode() -> None:
    """Names and values of the CloudEvents Kafka binding."""
    headers = h.event_headers(FULL_REQUEST, "relay", AT, PARENT)
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_id"] == str(FULL_REQUEST.event_id)
    assert headers["ce_type"] == "scribe.JobRequested"
    assert headers["ce_subject"] == str(FULL_REQUEST.job_id)
    assert headers["content-type"] == "application/avro"
    assert headers["traceparent"].startswith("00-" + "a" * 32)
    assert headers["traceparent"] != PARENT


@pytest.mark.parametrize("parent", [None, "", "junk", "00-short-b-01", "00-" + "0" * 32 + "-" + "b" * 16 + "-01"])
def test_a_bad_parent_starts_a_new_trace(parent: str | None) -> None:
    """A stranger's header never breaks a trace, it only is not continued."""
    trace = h.trace_id(h.next_traceparent(parent))
    assert trace is not None
    assert len(trace) == 32
    assert set(trace) != {"0"}


@pytest.mark.parametrize(
    "trace", ["", "a", "a" * 31, "a" * 33, "a" * 900_000, "A" * 32, "g" * 32, "0" * 32, "\u0663" * 32, "a" * 31 + "\n"]
)
def test_only_the_id_of_a_trace_comes_into_each_line_of_the_log(trace: str) -> None:
    assert h.trace_id(f"00-{trace}-{'b' * 16}-01") is None
    assert h.trace_id(f"00-{'a' * 32}-{'b' * 16}-01") == "a" * 32


def test_retry_keeps_the_first_origin() -> None:
    """A record that was retried twice still says where it first came from."""
    here = h.Origin("scribe.jobs", 3, 17)
    once = h.retry_headers({"traceparent": PARENT}, h.origin_of({}, here), 2, datetime(2026, 1, 1, tzinfo=UTC), "boom")
    twice = h.retry_headers(once, h.origin_of(once, h.Origin("scribe.transcribers.retry.1m", 0, 1)), 3, AT, "boom")
    assert h.origin_of(twice, h.Origin("x", 0, 0)) == here
    assert h.attempt_of(twice) == 3
    assert twice["traceparent"] == PARENT


@given(
    st.dictionaries(
        st.sampled_from([h.ATTEMPT, h.ORIGINAL_TOPIC, h.ORIGINAL_PARTITION, h.ORIGINAL_OFFSET]), st.binary(max_size=8)
    )
)
def test_garbage_headers_are_no_error(raw: dict[str, bytes]) -> None:
    """Attempt and origin of whatever a stranger writes."""
    read = h.read_headers(raw)
    assert h.attempt_of(read) >= 1
    assert isinstance(h.origin_of(read, h.Origin("t", 0, 0)), h.Origin)


def test_own_headers_have_a_limit_and_no_strangers() -> None:
    """What is left of the headers of a record that does not fit."""
    foreign = {f"x-{n}": "a" * 1000 for n in range(99)} | {"ce_id": "b" * 10_000, "ce_other": "c"}
    own = h.own_headers(h.dead_letter_headers(foreign, h.Origin("t", 1, 2), "g", "poison", "undecodable", "\ud800"))
    assert not [name for name in own if name.startswith("x-") or name == "ce_other"]
    assert (own[h.ORIGINAL_OFFSET], own[h.GROUP], len(own["ce_id"])) == ("2", "g", 1000)
    assert all(value.encode() for value in own.values())


def test_dead_letters_name_the_standard_headers() -> None:
    """KIP-1191 viewers find topic, partition, offset and message."""
    headers = h.dead_letter_headers(
        {}, h.Origin("scribe.jobs", 1, 2), "scribe.transcribers", "poison", "undecodable", "x" * 5000
    )
    assert headers["__dlq.errors.topic"] == "scribe.jobs"
    assert headers["__dlq.errors.offset"] == "2"
    assert len(headers["__dlq.errors.message"]) == 1000
