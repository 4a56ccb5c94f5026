"""Records of any shape on every topic: without key and value, tombstones, noise, and readable ones in odd clothes."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from uuid import uuid4

import pytest

from producers.kafka.publisher import headers_of
from schemas import topics
from schemas.wire.headers import ORIGINAL_OFFSET, ORIGINAL_PARTITION, ORIGINAL_TOPIC, read_headers
from tests.integration.broken_headers import produce_with_broken_header
from tests.integration.foreign.clients import Foreign, ForeignClient, Headers, Librdkafka
from tests.integration.foreign.goods import TOPICS, Good, Goods, behind, settled
from tests.integration.foreign.service import WholeService
from tests.integration.gpu import read_topic

NOT_UTF8 = b"\xff\xfe\x00\xc3"
KNOWN_ID = 5  # in place of it comes the id of the topic's own schema

UNREADABLE: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "no key and no value": (None, None, ()),
    "no key, no value, headers": (None, None, [("a", None), ("a", b"1"), ("", b""), ("b", NOT_UTF8)]),
    "a tombstone": (None, b"key", ()),
    "a tombstone of a job": (None, str(uuid4()).encode(), ()),
    "an empty value": (b"", b"key", ()),
    "an empty key and value": (b"", b"", ()),
    "a zero byte": (b"\x00", b"key", ()),
    "a header without a body": (b"\x00" + KNOWN_ID.to_bytes(4, "big"), b"key", ()),
    "an unknown schema": (b"\x00" + (123_456_789).to_bytes(4, "big") + b"body", b"key", ()),
    "a negative schema": (b"\x00\xff\xff\xff\xff" + b"body", b"key", ()),
    "another magic byte": (b"\x01" + KNOWN_ID.to_bytes(4, "big") + b"body", b"key", ()),
    "JSON": (json.dumps({"job_id": str(uuid4()), "tenant": "acme"}).encode(), b"key", ()),
    "text": ("שלום".encode(), b"key", ()),
    "a key of other bytes": (b"text", NOT_UTF8, ()),
    "a value of 1,000,000 bytes": (os.urandom(1_000_000), b"key", ()),
    "as much as the broker takes": (os.urandom(1_047_000), None, ()),
    "a key of 900,000 bytes": (None, b"k" * 900_000, ()),
    "a key of 900,000 bytes and a value": (b"text", os.urandom(900_000), ()),
    "10,000 headers": (b"text", None, [(f"header-{n}", b"value") for n in range(10_000)]),
    "a header of 900,000 bytes": (None, None, [("header", b"v" * 900_000)]),
    "a header's name of 30,000 bytes": (b"text", None, [("h" * 30_000, b"v")]),
    "our own headers": (
        None,
        None,
        [
            ("scribe-attempt", b"many"),
            ("scribe-not-before", b"-1"),
            ("scribe-orig-topic", b"nowhere"),
            ("scribe-orig-partition", b"first"),
            ("scribe-orig-offset", NOT_UTF8),
            ("traceparent", b"00-0-0-00"),
        ],
    ),
}
KEYED = [topic.name for topic in topics.TOPICS.values() if "compact" in topic.cleanup]
"""Topics to which the broker takes nothing without a key."""
ODD_KEYS = {"no key": None, "an empty key": b"", "another key": b"customer-17", "a key of other bytes": NOT_UTF8}
ODD_HEADERS: dict[str, Headers] = {
    "no headers": (),
    "a header twice": [("a", b"1"), ("a", b"2"), ("traceparent", b"x"), ("traceparent", None)],
    "a header without value": [("ce_id", None), ("content-type", None), ("scribe-attempt", None)],
    "a header without name": [("", b"value")],
    "values of other bytes": [("ce_type", NOT_UTF8), ("scribe-attempt", NOT_UTF8)],
    "2,000 headers": [(f"header-{n}", b"value") for n in range(2000)],
    "another type": [("content-type", b"text/plain"), ("ce_type", b"com.example.Order"), ("ce_id", b"17")],
    "another attempt": [("scribe-attempt", b"99999")],
    "another attempt in other digits": [("scribe-attempt", "٣".encode())],
    "an origin": [("scribe-orig-topic", b"x"), ("scribe-orig-partition", b"-1"), ("scribe-orig-offset", b"9" * 40)],
    "a time far off": [("scribe-not-before", b"9" * 18)],
    "an error": [("scribe-error-code", b"internal"), ("scribe-group", b"nobody"), ("__dlq.errors.topic", b"x")],
}


@dataclass(frozen=True)
class Written:
    """Good records in odd clothes by topic and oddity, and what is missing of them and of what stands behind all."""

    missing: dict[tuple[str, str], str]
    behind: dict[str, str]


def odd(goods: Goods, name: str) -> dict[str, Good]:
    """Readable records of a topic that look odd."""
    keys = {what: key for what, key in ODD_KEYS.items() if key is not None or name not in KEYED}
    cases = {what: goods.sample_for(name).altered(key=key) for what, key in keys.items()}
    cases |= {what: goods.sample_for(name).altered(headers=headers) for what, headers in ODD_HEADERS.items()}
    return cases | {"a time of 1970": goods.sample_for(name).altered(timestamp=1)}


@pytest.fixture(scope="module")
def written(service: WholeService, java: ForeignClient, librdkafka: Librdkafka) -> Written:
    return write(service, java, librdkafka)


def write(service: WholeService, java: ForeignClient, librdkafka: Librdkafka) -> Written:
    """Every unreadable shape and every oddity to every topic, then a good record behind it."""
    goods = Goods(service)
    cases: dict[tuple[str, str], Good] = {}
    for name in TOPICS:
        here = odd(goods, name)
        shapes = [unreadable(service, name, what) for what in shapes_of(name)]
        librdkafka.send(*shapes, message_max_bytes=2_000_000, batch_size=100_000)
        java.send(unreadable(service, name, by_java(name)))
        produce_with_broken_header(service.bootstrap, service.topic(name), b"text", key=b"key")
        librdkafka.send(*(good.record for good in here.values()))
        cases |= {(name, what): good for what, good in here.items()}
    last = behind(service)
    librdkafka.send(*(good.record for good in last))
    missing = settled(service, [*cases.values(), *last])
    found = {case: missing[number] for number, case in enumerate(cases) if number in missing}
    lacks = {good.name: missing[n] for n, good in enumerate(last, len(cases)) if n in missing}
    return Written(found, lacks)


def shapes_of(name: str) -> list[str]:
    """Those that the broker takes for a topic."""
    return [what for what, (_, key, _) in UNREADABLE.items() if key is not None or name not in KEYED]


def by_java(name: str) -> str:
    """What comes a second time, from the other client."""
    return "a tombstone" if name in KEYED else "no key, no value, headers"


def unreadable(service: WholeService, name: str, what: str) -> Foreign:
    """A record of that shape for a topic."""
    value, key, headers = UNREADABLE[what]
    return Foreign(service.topic(name), value, key, [*headers, ("what", what.encode())])


@pytest.fixture(scope="module")
def letters(written: Written, service: WholeService) -> Counter[tuple[str, str, str]]:
    return letters_of(service)


def letters_of(service: WholeService) -> Counter[tuple[str, str, str]]:
    """How many dead letters each group has of each shape and topic, by the places of what was set aside."""
    shapes = {place: what for name in TOPICS for place, what in places_of(service, name).items()}
    return Counter(
        (group, place[0], shapes[place])
        for group in topics.GROUPS
        for message in service.dead_letters(group)
        if (place := origin(read_headers(message.headers()))) in shapes
    )


Place = tuple[str, str, str]


def places_of(service: WholeService, name: str) -> dict[Place, str]:
    """Where each shape lies in a topic."""
    messages = read_topic(service.bootstrap, service.topic(name))
    found = ((message, headers_of(message).get("what")) for message in messages)
    return {(str(m.topic()), str(m.partition()), str(m.offset())): what for m, what in found if what}


def origin(headers: dict[str, str]) -> Place:
    """Where a dead letter came from."""
    return headers[ORIGINAL_TOPIC], headers[ORIGINAL_PARTITION], headers[ORIGINAL_OFFSET]


def readers(name: str) -> list[str]:
    """The groups that read a topic."""
    return [group for group, read in topics.READS.items() if name in read or name.startswith(f"{group}.retry")]


@pytest.mark.parametrize("name", TOPICS)
def test_nobody_waits_for_what_cannot_be_read(written: Written, name: str) -> None:
    lack = written.behind.get(name)
    assert lack is None


@pytest.mark.parametrize("name", [name for name in TOPICS if name != topics.CONTROL])
def test_each_group_sets_aside_what_cannot_be_read(
    service: WholeService, letters: Counter[tuple[str, str, str]], name: str
) -> None:
    """Once, whatever it is; what has no room for its value is told by its origin."""
    lacking = {
        (group, what): found
        for group in readers(name)
        for what in shapes_of(name)
        if (found := letters[group, service.topic(name), what]) != 1 + (what == by_java(name))
    }
    assert lacking == {}


@pytest.mark.parametrize("name", TOPICS)
def test_whatever_is_readable_is_read(written: Written, name: str) -> None:
    """In whatever clothes it comes."""
    lacks = {what: lack for (topic, what), lack in written.missing.items() if topic == name}
    assert lacks == {}


def test_no_process_has_ended(written: Written, service: WholeService) -> None:
    assert service.ended_processes == {}
    assert service.parts.pids() == service.pids
