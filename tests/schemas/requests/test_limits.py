"""The rules of a request: what passes, and which code each mistake gets."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from schemas.errors import Permanent
from schemas.events import EnhancementRequest, JobRequested, Source, Task
from schemas.models.registry import load_registry
from schemas.requests.limits import MAX_METADATA_ITEMS, MAX_PROMPT_CHARS, check_request, mistakes
from tests.samples import AT, BARE_REQUEST, SHA
from tests.strategies import requests

REGISTRY = load_registry()
BEFORE = AT - timedelta(seconds=1)
BEYOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14)))  # year 10000 in UTC


def with_options(**fields: Any) -> JobRequested:
    return replace(BARE_REQUEST, options=replace(BARE_REQUEST.options, **fields))


def code_of(request: JobRequested) -> str:
    with pytest.raises(Permanent) as caught:
        check_request(request, REGISTRY, BEFORE)
    return caught.value.code


@pytest.mark.parametrize(
    "uri",
    [
        "https://media.example/call.opus?sig=a%20b",
        "http://127.0.0.1:8080/a.wav",
        "s3://scribe/acme/call.wav",
        f"upload://{UUID(int=5)}",
    ],
)
def test_a_good_request_gets_its_model(uri: str) -> None:
    """The default model, when none is named."""
    entry = check_request(replace(BARE_REQUEST, source=Source(uri=uri, sha256=SHA)), REGISTRY, BEFORE)
    assert entry.name == REGISTRY.default


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "call.wav",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://media.example/a.wav",
        "https://",
        "https://user:secret@media.example/a.wav",
        "https://media.example:99999/a.wav",
        "https://[::1/a.wav",
        "https://media.example/a b.wav",
        "https://media.example/a\n.wav",
        "https://good.example\\@evil.example/",
        "s3://bucket",
        "s3:///key",
        "upload://not-a-uuid",
        f"upload://{UUID(int=5)}/more",
        "concat:a|b",
        "https://media.example/" + "a" * 9000,
    ],
)
def test_addresses_that_cannot_be_fetched_are_refused(uri: str) -> None:
    """The form alone tells, nothing is resolved or called."""
    assert code_of(replace(BARE_REQUEST, source=Source(uri=uri))) == "source_refused"


WRONG_TRACKS = ("", "0", "-1", "01", "100", "1.5", "a:1", "Hebrew", "he IL", "../he", "he-" + "x" * 40, "٢", "he\n")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (replace(BARE_REQUEST, run=0), "run"),
        (replace(BARE_REQUEST, run=-1), "run"),
        (replace(BARE_REQUEST, run=2**31), "run"),
        (replace(BARE_REQUEST, expires_at=BEYOND), "expires_at"),
        (replace(BARE_REQUEST, requested_at=BEYOND), "requested_at"),
        (replace(BARE_REQUEST, expires_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))), "expires_at"),
        (replace(BARE_REQUEST, expires_at=datetime(2030, 1, 1)), "expires_at"),  # noqa: DTZ001 - the mistake itself
        (replace(BARE_REQUEST, recording_id="x" * 257), "recording_id"),
        (replace(BARE_REQUEST, recording_id="a\x00b"), "recording_id"),
        (replace(BARE_REQUEST, source=Source(uri="https://a.example/", sha256="AB" * 32)), "source.sha256"),
        (replace(BARE_REQUEST, source=Source(uri="https://a.example/", size_bytes=-1)), "source.size_bytes"),
        (with_options(num_speakers=0), "options.num_speakers"),
        (with_options(max_speakers=51), "options.max_speakers"),
        (with_options(min_speakers=3, max_speakers=2), "options.min_speakers"),
        (with_options(num_speakers=4, max_speakers=2), "options.num_speakers"),
        (with_options(prompt="x" * (MAX_PROMPT_CHARS + 1)), "options.prompt"),
        (with_options(hotwords="\x00"), "options.hotwords"),
        *((with_options(track=track), "options.track") for track in WRONG_TRACKS),
        (replace(BARE_REQUEST, webhook_url="javascript:alert(1)"), "webhook_url"),
        (replace(BARE_REQUEST, webhook_url="https://u:p@hooks.example/"), "webhook_url"),
        (replace(BARE_REQUEST, webhook_url="https://hooks.example/" + "x" * 2000), "webhook_url"),
        (replace(BARE_REQUEST, enhancement=EnhancementRequest(enhancement_id=UUID(int=1))), "enhancement"),
        (replace(BARE_REQUEST, metadata={str(n): "" for n in range(MAX_METADATA_ITEMS + 1)}), "metadata"),
        (replace(BARE_REQUEST, metadata={"k" * 129: ""}), "metadata"),
        (replace(BARE_REQUEST, metadata={"k": "v" * 2001}), "metadata"),
    ],
)
def test_a_field_out_of_bounds_is_named(request_: JobRequested, field: str) -> None:
    """The message starts with the field."""
    assert code_of(request_) == "invalid_request"
    assert [name for name, _ in mistakes(request_)] == [field]


@pytest.mark.parametrize("track", ["1", "32", "he", "heb", "HE", "pt-BR", "zh-Hans-CN"])
def test_a_track_is_a_number_or_a_language(track: str) -> None:
    assert mistakes(with_options(track=track)) == ()


def test_the_name_of_a_language_is_answered_with_its_code() -> None:
    ((_, message),) = mistakes(with_options(track="Hebrew"))
    assert message.endswith("or its language, such as he; did you mean `he`?")


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody wants to learn them one by one."""
    request = replace(with_options(num_speakers=0, min_speakers=99), run=-1, webhook_url="x")
    assert {name for name, _ in mistakes(request)} == {
        "run",
        "options.num_speakers",
        "options.min_speakers",
        "webhook_url",
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"engine": "kaldi"}, "unknown_engine"),
        ({"model": "no-such"}, "unknown_model"),
        ({"model": "large-v3", "language": "tlh"}, "unknown_language"),
        ({"task": Task.TRANSLATE}, "invalid_request"),
    ],
)
def test_models_must_fit(fields: dict[str, Any], code: str) -> None:
    """The registry's rules, through the one door."""
    assert code_of(with_options(**fields)) == code


def test_tenants_become_keys_and_are_checked_first() -> None:
    assert code_of(replace(BARE_REQUEST, tenant="../other")) == "invalid_request"


def test_expiry_is_a_moment() -> None:
    """At its time a job is expired, a moment before it is not."""
    request = replace(BARE_REQUEST, expires_at=AT)
    assert check_request(request, REGISTRY, BEFORE)
    with pytest.raises(Permanent) as caught:
        check_request(request, REGISTRY, AT)
    assert caught.value.code == "expired"


@given(requests())
def test_any_request_is_accepted_or_refused(request: JobRequested) -> None:
    """Whatever the wire can hold, the only exception is Permanent."""
    with suppress(Permanent):
        check_request(request, REGISTRY, BEFORE)
