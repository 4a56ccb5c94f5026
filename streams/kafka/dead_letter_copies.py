"""Copies of a record for the dead-letter topic, in a form that producers and brokers accept. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from schemas.wire.headers import (
    KEY_OMITTED,
    UNREADABLE,
    VALUE_ABSENT,
    VALUE_OMITTED,
    Headers,
    own_headers,
)
from schemas.wire.records import Record

MAX_KEY_BYTES = 1000  # of a key that is kept although its value does not fit
_ABOUT_THE_COPY = frozenset({KEY_OMITTED, UNREADABLE, VALUE_ABSENT, VALUE_OMITTED})


def copies(record: Record) -> Iterator[Record]:
    """The whole record, then ever smaller forms of it for a broker that refuses the form before.

    Untrusted headers are removed first, then the value, and a key that is as large: the origin header says where the
    bytes lie as long as that topic keeps them.
    """
    yield sendable(record)
    smaller = replace(record, headers=own_headers(record.headers))
    yield sendable(smaller)
    yield sendable(_without_value(smaller))


def strangers(headers: Headers) -> dict[str, str]:
    """The headers of a record without those that would misdescribe its copy."""
    return {name: text for name, text in headers.items() if name not in _ABOUT_THE_COPY}


def sendable(record: Record) -> Record:
    """The record with an empty value where it has neither key nor value, which no Python client can send."""
    if record.key is not None or record.value is not None:
        return record
    absent = {} if VALUE_OMITTED in record.headers else {VALUE_ABSENT: "true"}
    return replace(record, value=b"", headers={**record.headers, **absent})


def _without_value(record: Record) -> Record:
    omitted = {} if record.value is None else {VALUE_OMITTED: str(len(record.value))}
    key = record.key
    if key is not None and len(key) > MAX_KEY_BYTES:
        omitted[KEY_OMITTED], key = str(len(key)), None
        if record.value is None:
            # it is the record that does not fit, and its origin has it
            omitted[VALUE_OMITTED] = "0"
    return replace(record, key=key, value=None, headers={**record.headers, **omitted})
