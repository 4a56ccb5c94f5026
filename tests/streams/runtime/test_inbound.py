"""Inbound records as plain values."""

from types import SimpleNamespace

from schemas.wire.headers import Origin
from streams.runtime.inbound import inbound_of


def test_a_record_comes_from_where_it_lies_whatever_its_headers_say() -> None:
    """They are strangers'; what is redriven goes back to that place."""
    headers = [("scribe-orig-topic", b"a"), ("scribe-orig-partition", b"1"), ("scribe-orig-offset", b"2")]
    message = SimpleNamespace(topic="b", partition=3, offset=4, key=None, value=b"v", headers=headers)
    assert inbound_of(message).origin == Origin("b", 3, 4)
