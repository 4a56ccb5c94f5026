"""What operators see over REST and through the client: dead letters on a real broker, and why any job waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import httpx
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.stack import Stack
from producers.client import Client
from schemas.events import JobRequested
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason
from schemas.settings.kafka import KafkaSettings
from schemas.tenants.scopes import Scope
from schemas.topics import GROUPS, JOBS, PERSIST, TRANSCRIBERS, dlq_topic
from schemas.wire.headers import Origin, dead_letter_headers
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from sink.objects.s3 import S3ObjectStore
from sink.tenants.api_keys import create_key
from tests.integration.commands import Run, scribe
from tests.integration.gpu import publish_to
from tests.integration.rest import check_problem, request_of
from tests.integration.shim import RunningShim, in_database, serving
from tests.samples import SAMPLES

LETTERS = "/api/v1/operator/dead-letters"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def dlqs(stack: Stack, topic_admin: AdminClient, database: str, bucket: str) -> dict[str, str]:
    """The settings of commands, with dead-letter topics that are there."""
    values = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": bucket}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    if not set(map(dlq_topic, GROUPS)) <= set(topic_admin.list_topics(timeout=10).topics):
        assert scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    return values


@pytest.fixture
def reading(dlqs: dict[str, str], kafka: str, database: str, object_store: S3ObjectStore) -> Iterator[RunningShim]:
    """A shim that reads dead letters."""
    with serving(database, object_store, dead_letters=KafkaSettings(kafka_bootstrap=kafka)) as running:
        yield running


@contextmanager
def operating(shim: RunningShim) -> Iterator[httpx.Client]:
    scopes = frozenset({Scope.OPERATOR})
    with shim.client(in_database(shim.dsn, lambda database: create_key(database, "ops", scopes=scopes))) as client:
        yield client


def letter(group: str, value: bytes, code: str, message: str, key: str = "key") -> Record:
    headers = dead_letter_headers({"x-upstream": HOSTILE}, Origin(JOBS, 0, 5), group, "poison", code, message)
    return Record(dlq_topic(group), key.encode(), value, headers)


def test_dead_letters_are_listed_page_by_page_and_read(
    reading: RunningShim, kafka: str, dlqs: dict[str, str], run_here: Run
) -> None:
    tenant, job_id = f"t{uuid4().hex}", uuid4()
    sample = SAMPLES["JobRequested-full"]
    assert isinstance(sample, JobRequested)
    request = replace(sample, tenant=tenant, job_id=job_id)
    value = Serde().encode(request)
    publish_to(kafka, letter(TRANSCRIBERS, value, "internal", HOSTILE, str(job_id)))
    publish_to(kafka, letter(PERSIST, value, "retries_exhausted", "again and again", str(job_id)))
    publish_to(kafka, letter(TRANSCRIBERS, b"\x00\xffnonsense", "undecodable", "no Avro record", str(job_id)))
    with operating(reading) as client, Client(reading.url, client.headers["X-API-Key"]) as api:
        found = list(api.dead_letters(job_id=job_id, limit=10))
        assert [(each.code, each.tenant) for each in found] == [
            ("undecodable", None),
            ("retries_exhausted", tenant),
            ("internal", tenant),
        ]
        assert [each.code for each in api.dead_letters(tenant=tenant, group="persist")] == ["retries_exhausted"]
        assert [each.code for each in api.dead_letters(tenant=tenant, code="internal")] == ["internal"]
        # pages of one each, and a letter that comes meanwhile on none of them
        first = client.get(LETTERS, params={"tenant": tenant, "limit": 1}).json()
        publish_to(kafka, letter(TRANSCRIBERS, value, "internal", "later", str(job_id)))
        pages, cursor = [first], first["next_cursor"]
        while cursor:
            pages.append(client.get(LETTERS, params={"tenant": tenant, "limit": 1, "cursor": cursor}).json())
            cursor = pages[-1]["next_cursor"]
        shown = [each["message"] for page in pages for each in page["dead_letters"]]
        assert shown == ["again and again", HOSTILE]
        # what is in them: an event without the query of its address, and bytes
        event = api.dead_letter(found[2].item)
        assert (event.form, event.value_chars, event.headers and event.headers["x-upstream"]) == (
            "json",
            len(event.value),
            HOSTILE,
        )
        assert str(job_id) in event.value
        unknown = api.dead_letter(found[0].item)
        assert (unknown.form, unknown.value, unknown.event) == ("hex", b"\x00\xffnonsense".hex(), None)
        # what was done about one
        assert run_here("dlq", "discard", found[0].item, **dlqs).returncode == 0
        handled = api.dead_letter(found[0].item).handled
        assert handled is not None
        assert (handled.action, handled.is_done) == ("discard", True)
        assert [each.handled is not None for each in api.dead_letters(job_id=job_id)] == [False, True, False, False]


def test_what_is_asked_for_wrongly_is_told(reading: RunningShim) -> None:
    with operating(reading) as client:
        problem = check_problem(client.get(LETTERS, params={"group": "transcriber"}), 422, "invalid_request")
        assert "transcribers" in problem["detail"]
        problem = check_problem(client.get(LETTERS, params={"code": "undecodeable"}), 422, "invalid_request")
        assert "undecodable" in problem["detail"]
        check_problem(client.get(LETTERS, params={"cursor": "WzEsImEiXQ"}), 422, "invalid_request")
        check_problem(client.get(f"{LETTERS}/persist/0/{10**17}"), 404, "not_found")
        check_problem(client.get(f"{LETTERS}/nobody/0/1"), 422, "invalid_request")


def test_dead_letters_are_for_operators_where_they_are_offered(reading: RunningShim, shim: RunningShim) -> None:
    with reading.client() as client:  # reads and writes, and is no operator
        problem = check_problem(client.get(LETTERS), 403, "forbidden")
        assert "`operator`" in problem["detail"]
        check_problem(client.get(f"{LETTERS}/persist/0/1"), 403, "forbidden")
    with operating(shim) as client:
        problem = check_problem(client.get(LETTERS), 422, "not_offered")
        assert "SCRIBE_API_DEAD_LETTERS" in problem["detail"]


def test_a_broker_that_is_away_is_a_problem_of_this_operation_only(
    database: str, object_store: S3ObjectStore, deaf_port: int
) -> None:
    away = KafkaSettings(kafka_bootstrap=f"127.0.0.1:{deaf_port}")
    with serving(database, object_store, dead_letters=away) as shim, operating(shim) as client:
        answer = client.get(LETTERS)
        check_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"]
        with shim.client() as other:
            assert other.get("/api/v1/jobs").status_code == 200


def test_an_operator_learns_why_the_job_of_any_tenant_waits(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    check_problem(client.get(f"/api/v1/operator/jobs/{request.job_id}/waiting"), 403, "forbidden")
    with operating(shim) as operator, Client(shim.url, operator.headers["X-API-Key"]) as api:
        found = api.explain(request.job_id)
        assert (found.tenant, found.state, found.held) == ("acme", "queued", True)
        [wait] = found.waits
        assert (wait.reason, wait.runbook) == (
            WaitReason.OUTBOX_UNPUBLISHED,
            WAIT_REASONS[WaitReason.OUTBOX_UNPUBLISHED].runbook,
        )
        assert wait.evidence[0].startswith(f"outbox: a record for {JOBS} since")
        with psycopg.connect(shim.dsn) as connection:
            connection.execute("UPDATE outbox SET failed_at = now(), failed_reason = 'too large'")
        [wait] = api.explain(request.job_id).waits
        assert (wait.reason, wait.evidence[1]) == (WaitReason.OUTBOX_REFUSED, "Kafka refused it: too large")
        check_problem(operator.get(f"/api/v1/operator/jobs/{uuid4()}/waiting"), 404, "not_found")
