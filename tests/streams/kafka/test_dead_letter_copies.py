"""Whatever a record is made of, its copy can be sent, and each smaller form is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.kafka.topic_history import StoredRecord
from producers.replay.dead_letters import letter_of
from schemas.topics import PERSIST
from schemas.wire.headers import KEY_OMITTED, VALUE_ABSENT, VALUE_OMITTED, Origin, dead_letter_headers
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from streams.kafka.dead_letter_copies import MAX_KEY_BYTES, copies, strangers
from tests.samples import AT

ORIGIN = Origin("t", 1, 2)
BIG = b"x" * 2_000_000


def record(key: bytes | None, value: bytes | None, **headers: str) -> Record:
    own = dead_letter_headers(strangers(headers), ORIGIN, PERSIST, "poison", "undecodable", "why")
    return Record("dlq", key, value, own)


parts = st.sampled_from([None, b"", b"\xff", BIG])


@given(parts, parts, st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_every_form_can_be_sent_and_names_its_origin(key: bytes | None, value: bytes | None, headers: object) -> None:
    whole, lesser, least = copies(record(key, value, **headers))  # type: ignore[arg-type]
    for copy in (whole, lesser, least):
        assert copy.key is not None or copy.value is not None
        assert copy.headers["scribe-orig-offset"] == "2"
    assert (whole.key, whole.value or None) == (key, value or None)
    assert len(least.key or b"") + len(least.value or b"") <= MAX_KEY_BYTES
    assert sum(len(name) + len(text) for name, text in least.headers.items()) < 10_000


@pytest.mark.parametrize("value", [None, b""])
@pytest.mark.parametrize("key", [None, b"", b"key"])
def test_what_there_was_is_told_from_what_there_was_not(key: bytes | None, value: bytes | None) -> None:
    """As operators read it, also of a stranger who claims the contrary."""
    copy = next(copies(record(key, value, **{VALUE_ABSENT: "true", VALUE_OMITTED: "9"})))
    letter = letter_of(Serde(), PERSIST, StoredRecord(ORIGIN, AT, copy.key, copy.value, copy.headers))
    assert (letter.record.key, letter.record.value, letter.omitted) == (key, value, False)


@pytest.mark.parametrize(("key", "value"), [(b"key", BIG), (BIG, b"value"), (BIG, None), (BIG, BIG), (None, BIG)])
def test_the_least_form_says_what_it_lacks(key: bytes | None, value: bytes | None) -> None:
    *_, least = copies(record(key, value))
    letter = letter_of(Serde(), PERSIST, StoredRecord(ORIGIN, AT, least.key, least.value, least.headers))
    assert letter.omitted
    assert letter.record.value is None
    assert (KEY_OMITTED in least.headers) == (key == BIG)
