"""Requests at the door: what counts as the same one, what its record carries, what is refused."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest

from producers.jobs.submit import Trace, check, job_record
from schemas.errors import Permanent, Rejected
from schemas.events import Options, Priority, Source
from schemas.models.registry import load_registry
from schemas.tenants.permissions import free_policy
from schemas.wire.headers import TRACEPARENT, TRACESTATE, trace_id
from schemas.wire.serde import Serde
from sink.http.url import CheckedUrl, UrlRules, parse_target
from sink.objects.uri import key_of
from tests.samples import AT, BARE_REQUEST, FULL_REQUEST

KEY_OF = partial(key_of, "scribe")
TARGET = partial(parse_target, rules=UrlRules())
FREE = free_policy("acme")
PARENT = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


def test_the_record_goes_on_with_the_trace_of_the_request() -> None:
    record = job_record(Serde(), BARE_REQUEST, "api", AT, Trace(PARENT, "vendor=1"))
    assert record.topic == "scribe.jobs"
    assert record.key == str(BARE_REQUEST.job_id).encode()
    assert trace_id(record.headers[TRACEPARENT]) == "1" * 32
    assert record.headers[TRACEPARENT] != PARENT
    assert record.headers[TRACESTATE] == "vendor=1"
    assert record.headers["ce_source"] == "/scribe-rabbit/api"


def test_express_jobs_have_their_own_topic_and_no_trace_is_a_new_one() -> None:
    record = job_record(Serde(), replace(BARE_REQUEST, priority=Priority.EXPRESS), "cli", AT)
    assert record.topic == "scribe.jobs.express"
    assert trace_id(record.headers[TRACEPARENT])
    assert TRACESTATE not in record.headers


def test_a_request_too_large_for_an_event_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        job_record(Serde(), replace(BARE_REQUEST, metadata={"a": "x" * 400_000}), "cli", AT)
    assert caught.value.code == "request_too_large"


def test_a_request_that_nobody_could_read_is_refused() -> None:
    """Avro writes a time that Python cannot read again; no rule need know why."""
    beyond = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14)))
    with pytest.raises(Rejected, match="no readable event"):
        job_record(Serde(), replace(BARE_REQUEST, expires_at=beyond), "cli", AT)


def test_the_door_names_every_field_as_the_client_wrote_it() -> None:
    request = replace(FULL_REQUEST, options=Options(num_speakers=99, hotwords="x" * 3000))
    with pytest.raises(Rejected) as caught:
        check(request, FREE, load_registry(), AT, TARGET, KEY_OF)
    assert [item["field"] for item in caught.value.errors] == ["hotwords", "num_speakers"]


def test_the_door_asks_about_both_addresses() -> None:
    def refuse(url: str) -> CheckedUrl:
        raise Permanent("source_refused", f"not {url}")

    request = replace(BARE_REQUEST, options=Options(language="he"))
    with pytest.raises(Permanent, match=r"not https://media\.example/call\.opus"):
        check(request, FREE, load_registry(), AT, refuse, KEY_OF)
    s3 = replace(request, source=Source(uri="s3://scribe/acme/x"), webhook_url="https://hooks.example/in")
    with pytest.raises(Rejected) as caught:
        check(s3, FREE, load_registry(), AT, refuse, KEY_OF)
    assert caught.value.errors == ({"field": "webhook_url", "message": "not https://hooks.example/in"},)


@pytest.mark.parametrize(
    "uri", ["s3://other/acme/x", "s3://scribe/globex/x", "s3://scribe/acme/../globex/x", "S3://other/x"]
)
def test_the_door_refuses_objects_of_others(uri: str) -> None:
    """The stage would refuse them always, after the submitter had gone."""
    request = replace(BARE_REQUEST, source=Source(uri=uri), options=Options(language="he"))
    with pytest.raises(Permanent) as caught:
        check(request, FREE, load_registry(), AT, TARGET, KEY_OF)
    assert caught.value.code == "source_refused"


def test_the_door_keeps_the_policy() -> None:
    registry = load_registry()
    policy = replace(
        FREE, models=(registry.default,), allowed_hosts=("media.example",), allowed_prefixes=("s3://archive/",)
    )
    wanted = replace(BARE_REQUEST, options=Options(language="he"))
    check(wanted, policy, registry, AT, TARGET, KEY_OF)
    check(replace(wanted, source=Source(uri="s3://archive/x")), policy, registry, AT, TARGET, KEY_OF)
    for changes, code in (
        ({"source": Source(uri="https://MEDIA.example.evil.example/x")}, "source_refused"),
        ({"source": Source(uri="s3://archive/../x")}, "source_refused"),
        ({"options": Options(model="large-v3", language="he")}, "model_not_allowed"),
    ):
        with pytest.raises(Permanent) as caught:
            check(replace(wanted, **changes), policy, registry, AT, TARGET, KEY_OF)
        assert caught.value.code == code
