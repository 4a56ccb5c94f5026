"""When two requests are the same: for the work on a job, and for a client that sends one again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from schemas.events import JobRequested, Options, Source
from schemas.requests import identity
from schemas.requests.identity import RequestScope, request_digest
from schemas.wire.serde import to_json
from sink.jobs.runs import stored_request
from tests.samples import BARE_REQUEST, FULL_REQUEST, SHA
from tests.strategies import requests

REQUESTS = {"bare": BARE_REQUEST, "full": FULL_REQUEST}
RELEASED = {
    "bare": [
        "21c82557bc0eddcd20882b52b1f9b83cf59c9e3bb01b4fd51439cfdcecea6caf",
        "f796fb6d3e4caf2d4e8801ba911e24821ab1a0e8de2721ef6eb655daa164d49f",
    ],
    "full": [
        "8e8578dbbd2a396a03cd8ff6a1910905b55a29a6b096b270fd3c4c6383656b17",
        "43f188e39ddcf815709e29ba4dcd3c95fd766640252e259c5507a4397fc7b85c",
    ],
}


def submission(request: JobRequested | Mapping[str, Any]) -> bytes:
    return request_digest(request, RequestScope.SUBMISSION)


def test_digests_are_those_of_the_version_before() -> None:
    """They lie in the database, and in the ids of deliveries."""
    digests = {name: [request_digest(r).hex(), submission(r).hex()] for name, r in REQUESTS.items()}
    assert digests == RELEASED


@given(requests())
def test_signatures_and_what_is_beside_the_recording_make_no_other_work(request: JobRequested) -> None:
    """Events carry requests without query; a delivery to another address is no other job."""
    beside = replace(request, webhook_url=None, metadata={"a": "b"}, run=request.run + 1)
    assert request_digest(request) == request_digest(request.without_query()) == request_digest(beside)
    assert request_digest(stored_request(request)) == request_digest(stored_request(request.without_query()))


@given(requests())
def test_sending_again_later_is_the_same_request(request: JobRequested) -> None:
    later = replace(request, requested_at=request.requested_at + timedelta(seconds=1), run=2)
    assert submission(request) == submission(later)


@pytest.mark.parametrize(("where", "name"), [("options", "channels"), ("options", "language"), ("request", "metadata")])
def test_what_came_later_and_stands_at_its_default_is_as_if_it_were_not_there(
    where: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the default is: a request of the version before has no such field, and is sent again after the upgrade."""
    monkeypatch.setattr(identity, "_LATER_OPTIONS" if where == "options" else "_LATER_FIELDS", frozenset({name}))
    now = to_json(BARE_REQUEST)
    before = to_json(BARE_REQUEST)
    del (before["options"] if where == "options" else before)[name]
    assert submission(now) == submission(before)


def test_any_other_wish_is_another_request() -> None:
    others = [
        replace(BARE_REQUEST, source=Source(uri="https://media.example/call.opus?id=2")),
        replace(BARE_REQUEST, options=Options(language="he")),
        replace(BARE_REQUEST, options=Options(track="2")),
        replace(BARE_REQUEST, metadata={"a": "b"}),
        replace(BARE_REQUEST, webhook_url="https://hooks.example/in"),
    ]
    digests = {submission(request) for request in [BARE_REQUEST, *others]}
    assert len(digests) == 6


def test_an_upload_counts_by_its_content() -> None:
    first = replace(BARE_REQUEST, source=Source(uri="upload://1", sha256=SHA, size_bytes=3))
    again = replace(BARE_REQUEST, source=Source(uri="upload://2", sha256=SHA, size_bytes=3))
    other = replace(BARE_REQUEST, source=Source(uri="upload://2", sha256="cd" * 32, size_bytes=3))
    assert submission(first) == submission(again) != submission(other)


def test_what_a_file_is_called_makes_no_other_request() -> None:
    named = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, name="call.opus"))
    plain = to_json(BARE_REQUEST)
    before = {**plain, "source": {name: value for name, value in plain["source"].items() if name != "name"}}
    assert submission(named) == submission(plain) == submission(before)
    assert request_digest(named) == request_digest(BARE_REQUEST)


def test_an_option_that_came_later_makes_no_old_request_another_one() -> None:
    """A job that the version before accepted is found again; one with the option is another one for both rules."""
    plain = to_json(BARE_REQUEST)
    before = {**plain, "options": {name: value for name, value in plain["options"].items() if name != "track"}}
    wanted = replace(BARE_REQUEST, options=Options(track="he"))
    assert submission(plain) == submission(before) != submission(wanted)
    assert request_digest(BARE_REQUEST) == request_digest(before) != request_digest(wanted)
