"""Which dead letters are meant, how they are named, and how they are read from real topics."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from producers.inputs.id_prefix import IdPrefix
from producers.kafka.publisher import Publisher
from producers.kafka.topic_history import StoredRecord, TopicHistory
from producers.replay.dead_letters import (
    DLQS,
    DeadLetter,
    DeadLetterFilter,
    contents,
    facts,
    letter_of,
    place_of,
    read,
    whole,
)
from schemas.errors import Outage, Rejected
from schemas.settings.kafka import KafkaSettings
from schemas.topics import GROUPS, JOBS, TRANSCRIBERS
from schemas.wire.headers import VALUE_OMITTED, Origin, dead_letter_headers
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from tests.conftest import TopicFactory
from tests.samples import AT, BARE_REQUEST, SAMPLES
from tests.strategies import texts, times

SERDE = Serde()
HERE = Origin("scribe.transcribers.dlq", 3, 1234)
ORIGIN = Origin(JOBS, 7, 42)


def dead(
    value: bytes | None,
    *,
    group: str = TRANSCRIBERS,
    origin: Origin = ORIGIN,
    kind: str = "poison",
    code: str = "undecodable",
    message: str = "",
    at: datetime = AT,
    key: bytes | None = None,
    here: Origin = HERE,
) -> DeadLetter:
    headers = dead_letter_headers({"x-upstream": "7"}, origin, group, kind, code, message)
    return letter_of(SERDE, group, StoredRecord(here, at, key, value, headers))


letters = st.builds(
    lambda event, **values: dead(SERDE.encode(event) if event else b"nonsense", **values),
    st.sampled_from([None, *SAMPLES.values()]),
    kind=st.sampled_from(["poison", "internal"]),
    code=st.sampled_from(["undecodable", "retries_exhausted"]),
    message=texts,
    at=times,
)


@given(letters, st.sampled_from(["kind", "code", "tenant"]))
def test_a_filter_takes_its_own_value_and_no_other(letter: DeadLetter, name: str) -> None:
    own: dict[str, Any] = {name: getattr(letter, name)}
    other: dict[str, Any] = {name: f"not {own[name]}"}
    assert DeadLetterFilter(**own).matches(letter)
    assert not DeadLetterFilter(**other).matches(letter)


@given(letters, st.integers(4, 32))
def test_a_job_is_meant_by_its_id_or_the_beginning_of_it(letter: DeadLetter, digits: int) -> None:
    own = letter.job_id or uuid4()
    other = UUID(int=own.int ^ 1 << 124)
    assert DeadLetterFilter(job=IdPrefix(own.hex[:digits])).matches(letter) == (letter.job_id is not None)
    assert not DeadLetterFilter(job=IdPrefix(other.hex[:digits])).matches(letter)


@given(letters, times, times)
def test_times_take_the_first_and_leave_the_last(letter: DeadLetter, since: datetime, until: datetime) -> None:
    at = letter.record.at
    assert DeadLetterFilter(since=since, until=until).matches(letter) == (since <= at < until)
    assert DeadLetterFilter(since=at).matches(letter)
    assert not DeadLetterFilter(until=at).matches(letter)


@given(letters, texts)
def test_text_is_found_in_any_case_and_everything_is_meant_without_filters(letter: DeadLetter, text: str) -> None:
    assert DeadLetterFilter().matches(letter)
    assert DeadLetterFilter(text=text).matches(letter) == (text.casefold() in letter.message.casefold())
    assert DeadLetterFilter(text=letter.message[:3].upper()).matches(letter) or not letter.message.isascii()


@given(letters, letters, st.sampled_from(["kind", "code", "tenant"]))
def test_two_filters_take_what_both_take(letter: DeadLetter, other: DeadLetter, name: str) -> None:
    one, two = DeadLetterFilter(**{name: getattr(other, name)}), DeadLetterFilter(since=other.record.at)
    both = replace(one, since=other.record.at)
    assert both.matches(letter) == (one.matches(letter) and two.matches(letter))


@given(st.sampled_from(GROUPS), st.integers(0, 99), st.integers(0, 10**12))
def test_a_name_stands_for_its_place(group: str, partition: int, offset: int) -> None:
    topic = next(topic for topic, name in DLQS.items() if name == group)
    letter = dead(None, group=group, here=Origin(topic, partition, offset))
    assert place_of(letter.name) == letter.record.place


@pytest.mark.parametrize("text", ["", "transcribers", "transcribers/1", "nobody/1/2", "transcribers/-1/2", "t/1/2/3"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        place_of(text)


def test_whose_it_is_stands_in_the_event_or_else_in_the_key() -> None:
    job_id = uuid4()
    assert dead(SERDE.encode(BARE_REQUEST)).job_id == BARE_REQUEST.job_id
    assert dead(b"nonsense", key=str(job_id).encode()).job_id == job_id
    for key in (None, b"", b"\xff", b"not an id"):
        letter = dead(b"nonsense", key=key)
        assert (letter.job_id, letter.tenant, letter.event) == (None, "", None)
    assert dead(SERDE.encode(SAMPLES["TenantPolicy-full"])).job_id is None


def test_all_of_it_is_shown_but_the_signature_of_its_source() -> None:
    signed = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, uri="https://media.example/a?signature=secret"))
    shown = contents(dead(SERDE.encode(signed), message="why"))
    assert (shown["code"], shown["message"], shown["origin"]) == ("undecodable", "why", f"{JOBS}/7/42")
    assert shown["headers"]["x-upstream"] == "7"
    assert shown["value"]["source"]["uri"] == "https://media.example/a"
    assert contents(dead(b"\x00\xff"))["value"] == "00ff"
    assert contents(dead(None))["value"] is None
    assert facts(dead(b"x", origin=HERE))["origin"] is None


def test_records_are_read_by_time_and_place_and_omitted_values_from_their_origin(
    kafka: str, fresh_topic: TopicFactory
) -> None:
    """Two partitions of two topics; one dead letter lacks its value, and of another even the origin is over."""
    settings = KafkaSettings.model_validate({"kafka_bootstrap": kafka})
    topic, jobs = fresh_topic(2, name="dlq"), fresh_topic(1, name="jobs")
    old, value = datetime.now(UTC) - timedelta(hours=2), SERDE.encode(BARE_REQUEST)
    omitted = {VALUE_OMITTED: str(len(value))}
    there = dead_letter_headers(omitted, Origin(jobs, 0, 0), TRANSCRIBERS, "internal", "internal", "there")
    over = dead_letter_headers(omitted, Origin(jobs, 0, 99), TRANSCRIBERS, "internal", "internal", "over")
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"old", b"key", partition=0, timestamp=int(old.timestamp() * 1000))
    producer.flush()
    with Publisher(settings) as publisher:
        publisher.publish(Record(jobs, b"key", value))
        publisher.publish(
            Record(topic, b"1", None, there), Record(topic, b"2", None, over), Record(topic, b"3", b"new")
        )
    with TopicHistory.open(settings) as history:
        assert len(list(history.records([topic]))) == 4
        found = list(read(history, SERDE, DeadLetterFilter(since=old + timedelta(hours=1)), {topic: TRANSCRIBERS}))
        assert {letter.record.value for letter in found} == {b"new", value, None}
        assert [x.message for x in read(history, SERDE, DeadLetterFilter(tenant="acme"), {topic: TRANSCRIBERS})] == [
            "there"
        ]
        slim = list(read(history, SERDE, DeadLetterFilter(text="there"), {topic: TRANSCRIBERS}, values=False))
        assert [(letter.record.value, letter.tenant) for letter in slim] == [(None, "acme")]
        lost = next(letter for letter in found if letter.message == "over")
        assert whole(history, SERDE, lost) == lost
        record = history.at(Origin(jobs, 0, 0))
        assert record is not None
        assert record.value == value
        for nowhere in (Origin(jobs, 0, 1), Origin(jobs, 9, 0), Origin("test.absent", 0, 0)):
            assert history.at(nowhere) is None
        with pytest.raises(Outage, match=r"no topic test\.absent"):
            list(history.records(["test.absent"]))


def test_a_timestamp_from_nowhere_is_read(kafka: str, fresh_topic: TopicFactory) -> None:
    """Strangers write what they like."""
    topic = fresh_topic(1, name="dlq", config={"message.timestamp.after.max.ms": str(2**63 - 1)})
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"x", timestamp=2**62)
    producer.flush()
    with TopicHistory.open(KafkaSettings.model_validate({"kafka_bootstrap": kafka})) as history:
        [record] = list(history.records([topic]))
    assert record.at.year == 9999
