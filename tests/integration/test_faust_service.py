"""Persist, webhooks and the dispatcher as processes: from records on real topics to rows, objects and verified calls."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local.stack import Stack
from schemas.errors import InvalidEvent, Permanent
from schemas.events import ClaimCheck, Event, JobRequested, JobResult, Outcome, TenantPolicy
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import WaitReport, from_json
from schemas.settings.outbound import OutboundSettings
from schemas.wire.records import record_of
from schemas.wire.rejected_events import failed_result
from schemas.wire.serde import Serde
from sink.webhooks.secrets import SecretBox, new_key
from sink.webhooks.signature import format_secret
from tests.conftest import TopicFactory
from tests.foreign import raw
from tests.integration.faust_process import committed, read_all, until
from tests.sink.breakable_proxy import BreakableProxy
from tests.streams.jobs import Job, new_job
from tests.streams.receiver import Receiver, receiving

KEY = new_key()
SECRETS = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": KEY}))


@dataclass
class Service:
    """Topics, a database and a bucket of its own, and the processes on them."""

    stack: Stack
    dsn: str
    folder: Path
    topics: dict[str, str]
    environment: dict[str, str]

    @contextmanager
    def process(self, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "processes.log").open("a") as log:
            running = subprocess.Popen(
                [sys.executable, "-m", *command], env={**self.environment, **environment}, stdout=log, stderr=log
            )
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    def persist(self, **environment: str) -> Any:
        names = (self.topics[name] for name in ("dlq", "results", "jobs", "progress", "tenants"))
        return self.process(
            "tests.integration.streams_process", "persist", f"p.{self.topics['jobs']}", *names, **environment
        )

    def webhooks(self) -> Any:
        names = (self.topics[name] for name in ("dlq", "results"))
        return self.process("tests.integration.streams_process", "webhooks", f"w.{self.topics['jobs']}", *names)

    def dispatch(self) -> Any:
        return self.process("tests.integration.dispatch_process")

    def send(self, topic: str, *events: Event) -> None:
        producer = Producer({"bootstrap.servers": self.stack.kafka_bootstrap})
        for event in events:
            record = record_of(Serde(), self.topics[topic], event, "test", datetime.now(UTC))
            producer.produce(record.topic, record.value, record.key, headers=list(record.headers.items()))
        producer.flush()

    def send_values(self, topic: str, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self.stack.kafka_bootstrap})
        for value in values:
            producer.produce(self.topics[topic], value)
        producer.flush()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def states(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM jobs GROUP BY state"))

    def deliveries(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM webhook_deliveries GROUP BY state"))

    def secret(self, url: str) -> str | None:
        for endpoint, found, sealed in self.rows("SELECT endpoint_id, url, secret FROM webhook_endpoints"):
            if found == url:
                return format_secret(SECRETS.open(bytes(sealed), endpoint))
        return None

    def dead(self) -> list[tuple[bytes | None, dict[str, str]]]:
        return read_all(self.stack.kafka_bootstrap, self.topics["dlq"])


NAMES = ("jobs", "progress", "results", "dlq", "tenants")


def made(stack: Stack, dsn: str, bucket: str, topics: dict[str, str], folder: Path) -> Service:
    """The service on given parts."""
    environment = {
        **os.environ,
        "SCRIBE_ENVIRONMENT": "development",
        "SCRIBE_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "SCRIBE_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "SCRIBE_POSTGRES_DSN": dsn,
        "SCRIBE_S3_ENDPOINT": stack.s3_endpoint,
        "SCRIBE_S3_BUCKET": bucket,
        "SCRIBE_S3_ACCESS_KEY": stack.s3_access_key,
        "SCRIBE_S3_SECRET_KEY": stack.s3_secret_key,
        "SCRIBE_WEBHOOK_KEY": KEY,
        "SCRIBE_TIME_SCALE": "0.001",
    }
    return Service(stack, dsn, folder, topics, environment)


@pytest.fixture
def service(
    stack: Stack, database: str, bucket: str, fresh_topic: TopicFactory, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Service]:
    service = made(stack, database, bucket, {name: fresh_topic(1, name=name) for name in NAMES}, tmp_path)
    failures = request.session.testsfailed
    yield service
    if request.session.testsfailed > failures:
        tell_what_was_found(service)


def tell_what_was_found(service: Service) -> None:
    """Write what a failed test leaves, since nothing else outlives it: pytest shows it under the failure."""
    found = (service.states(), [headers for _, headers in service.dead()], service.rows("SELECT * FROM record_marks"))
    log = service.folder / "processes.log"
    written = log.read_text(errors="replace")[-20_000:] if log.exists() else ""
    sys.stdout.write(f"jobs, dead letters, marks: {found}\n{written}\n")


@contextmanager
def proxied(dsn: str) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """A DSN that leads through a proxy, with what cuts and mends it."""
    server = conninfo_to_dict(dsn)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(90)

    proxy = BreakableProxy((str(server["host"]), int(server["port"] or 5432)))
    do(proxy.mend())
    try:
        yield (
            make_conninfo(dsn, host="127.0.0.1", port=proxy.port),
            lambda: do(proxy.cut()),
            lambda: do(proxy.mend()),
        )
    finally:
        do(proxy.cut())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def test_persist_waits_out_an_outage_of_the_database(service: Service) -> None:
    """Half of the events come while PostgreSQL is away: nothing is lost, nothing dead-lettered, no restart needed.

    Meanwhile the process says what it waits for, and with how many records.
    """
    before, during = [new_job() for _ in range(3)], [new_job() for _ in range(3)]
    port = free_port()

    def waits() -> WaitReport:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz?verbose", trust_env=False, timeout=60)
        assert answer.headers["content-type"] == "application/json"
        return from_json(answer.json())

    metrics = {"SCRIBE_METRICS_PORT": str(port)}
    with proxied(service.dsn) as (dsn, cut, mend), service.persist(SCRIBE_POSTGRES_DSN=dsn, **metrics) as process:
        tell(service, before)
        until("three jobs completed", lambda: service.states() == {"completed": 3})
        assert waits().waiting == ()
        cut()
        tell(service, during)
        until("records wait", lambda: "waiting: PostgreSQL" in (service.folder / "processes.log").read_text())
        until("it says so", lambda: [each.reason for each in waits().waiting] == [WaitReason.OUTAGE])
        assert WaitReason.OUTAGE in [gate.reason for gate in waits().closed]
        topics = {service.topics[name] for name in ("results", "jobs", "progress", "tenants")}
        until("it tells of its partitions", lambda: topics <= {each.topic for each in waits().partitions})
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).text
        assert re.search(r'scribe_rabbit_jobs_waiting\{group="[^"]+",reason="outage"\} [1-9]', shown)
        mend()
        until("six jobs completed", lambda: service.states() == {"completed": 6})
        until("all committed", lambda: results_committed(service) == 6)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert service.dead() == []


@pytest.fixture
def durable_stack(tmp_path: Path) -> Iterator[Stack]:
    """A private stack whose database keeps what it has committed when it is killed."""
    with Stack(tmp_path / "stack", durable=True) as started:
        yield started


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_persist_survives_the_death_of_the_broker_and_of_the_database(durable_stack: Stack, tmp_path: Path) -> None:
    """Each is killed and started again while events come; the process is the same all the time."""
    topics = {name: f"test.{name}" for name in NAMES}
    admin = AdminClient({"bootstrap.servers": durable_stack.kafka_bootstrap})
    for creation in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics.values()]).values():
        creation.result()
    client = durable_stack.s3.client()
    client.create_bucket(Bucket="test")
    client.close()
    service = made(durable_stack, durable_stack.postgres_dsn("scribe"), "test", topics, tmp_path)
    with service.persist() as process:
        migrated(service)
        tell(service, [new_job() for _ in range(3)])
        until("three jobs completed", lambda: service.states() == {"completed": 3})
        durable_stack.postgres.kill()
        tell(service, [new_job() for _ in range(3)])
        until("records wait", lambda: "waiting: PostgreSQL" in (service.folder / "processes.log").read_text())
        durable_stack.postgres.start()
        until("six jobs completed", lambda: service.states() == {"completed": 6})
        durable_stack.kafka.kill()
        durable_stack.kafka.start()
        tell(service, [new_job() for _ in range(3)])
        until("nine jobs completed", lambda: service.states() == {"completed": 9})
        until("all committed", lambda: results_committed(service) == 9)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert service.dead() == []


def migrated(service: Service) -> None:
    """Wait until the process has made the tables."""
    query = "SELECT 1 FROM pg_tables WHERE tablename = 'erased_jobs'"
    until("the tables", lambda: bool(service.rows(query)))


def tell(service: Service, jobs: list[Job]) -> None:
    service.send("jobs", *(job.request() for job in jobs))
    service.send("progress", *(job.progress(1, 1) for job in jobs))
    service.send("results", *(job.result() for job in jobs))


def results_committed(service: Service) -> int | None:
    group = f"p.{service.topics['jobs']}"
    return committed(service.stack.kafka_bootstrap, group, service.topics["results"])


def test_policies_are_kept_and_nonsense_is_set_aside(service: Service) -> None:
    policy = TenantPolicy(tenant="acme", retention_days={"audio": 7}, at=datetime.now(UTC))
    with service.persist():
        service.send("tenants", replace(policy, retention_days={"sound": 7}), policy)
        until("the policy", lambda: service.rows("SELECT tenant FROM tenant_policies") == [("acme",)])
        until("the dead letter", lambda: len(service.dead()) == 1)
    ((_, headers),) = service.dead()
    assert headers["scribe-error-code"] == "invalid_request"


def test_results_reach_their_receivers_signed(service: Service) -> None:
    """Through all three processes: every end of a job, an undecodable record among them, one call an event."""
    receiver = Receiver(plan=lambda n: (500, {}) if n == 1 else (200, {}))
    receiver.secret = lambda: service.secret(receiver.url)
    with ExitStack() as stack:
        stack.enter_context(receiving(receiver))
        jobs = {outcome: new_job(webhook_url=receiver.url) for outcome in Outcome}
        silent = new_job()
        for process in (service.persist, service.webhooks, service.dispatch):
            stack.enter_context(process())
        service.send("results", *(job.result(outcome=outcome) for outcome, job in jobs.items()), silent.result())
        service.send("results", *(job.result(outcome=outcome) for outcome, job in jobs.items()))
        until("three deliveries", lambda: service.deliveries() == {"delivered": 3})
    assert all(call.verified for call in receiver.calls)
    assert len(receiver.calls) == 4
    assert {call.payload["data"]["job_id"]: call.payload["type"] for call in receiver.calls} == {
        str(jobs[Outcome.COMPLETED].job_id): "job.completed",
        str(jobs[Outcome.FAILED].job_id): "job.failed",
        str(jobs[Outcome.CANCELLED].job_id): "job.cancelled",
    }
    assert len({call.message_id for call in receiver.calls}) == 3


def test_a_result_that_cannot_be_applied_ends_its_job_and_says_so(service: Service) -> None:
    """Its claim check is gone: the record is set aside, the job has failed, and its receiver is told of the failure."""
    receiver = Receiver()
    receiver.secret = lambda: service.secret(receiver.url)
    with ExitStack() as stack:
        stack.enter_context(receiving(receiver))
        job = new_job(webhook_url=receiver.url)
        claim = ClaimCheck(uri="s3://elsewhere/key", size_bytes=11, sha256="ab" * 32)
        for process in (service.persist, service.webhooks, service.dispatch):
            stack.enter_context(process())
        service.send("jobs", job.request())
        service.send("results", job.result(transcript=None, claim_check=claim))
        until("delivered", lambda: service.deliveries() == {"delivered": 1})
    assert service.states() == {"failed": 1}
    ((_, headers),) = service.dead()
    assert headers["scribe-error-code"] == "internal"
    (call,) = receiver.calls
    assert call.verified
    assert (call.payload["type"], call.payload["data"]["error"]["code"]) == ("job.failed", "internal")


def test_whoever_wrote_a_wrong_value_hears_of_it(service: Service) -> None:
    """In a request, in a result, and as a name that no tenant can have: the job fails, and a webhook says why."""
    receivers = {name: Receiver() for name in ("request", "result", "tenant")}
    with ExitStack() as stack:
        for receiver in receivers.values():
            stack.enter_context(receiving(receiver))
        asked, ended, nobody = (new_job(webhook_url=receiver.url) for receiver in receivers.values())
        for process in (service.persist, service.webhooks, service.dispatch):
            stack.enter_context(process())
        urgent = raw(asked.request(), {"priority": "URGENT"})
        service.send_values("jobs", urgent)
        until("the first job has failed", lambda: service.states() == {"failed": 1})
        service.send("results", answer_of(urgent))
        service.send_values("results", raw(ended.result(), {"outcome": "done"}))
        refused = Permanent("invalid_request", "tenant must be a name")
        service.send("results", failed_result(replace(nobody.request(), tenant="../x"), refused, datetime.now(UTC)))
        until("all delivered", lambda: service.deliveries() == {"delivered": 3})
        until("the second job has failed", lambda: service.states() == {"failed": 2})
        until("what no row can hold is set aside", lambda: len(service.dead()) == 2)
    told = {name: call.payload["data"] for name, receiver in receivers.items() for call in receiver.calls}
    assert {name: (data["outcome"], data["error"]["code"]) for name, data in told.items()} == {
        "request": ("failed", "invalid_request"),
        "result": ("failed", "internal"),
        "tenant": ("failed", "invalid_request"),
    }
    assert "priority" in told["request"]["error"]["message"]
    assert "outcome" in told["result"]["error"]["message"]


def answer_of(value: bytes) -> JobResult:
    """What the transcribers write of a record with a wrong value."""
    with pytest.raises(InvalidEvent) as raised:
        Serde().decode(value, JobRequested)
    assert isinstance(raised.value.answer, JobResult)
    return raised.value.answer


def test_a_killed_dispatcher_sends_again_what_has_no_outcome_and_nothing_else(service: Service) -> None:
    """SIGKILL while one call is unanswered and another is recorded: the first comes again, the second does not."""
    hanging, answering = Receiver(hang=True), Receiver()
    for receiver in (hanging, answering):
        receiver.secret = lambda url=receiver: service.secret(url.url)  # type: ignore[misc]
    with ExitStack() as stack:
        for receiver in (hanging, answering):
            stack.enter_context(receiving(receiver))
        jobs = [new_job(webhook_url=receiver.url) for receiver in (hanging, answering)]
        for process in (service.persist, service.webhooks):
            stack.enter_context(process())
        service.send("results", *(job.result() for job in jobs))
        with service.dispatch() as first:
            until(
                "both called, one recorded", lambda: bool(hanging.calls) and service.deliveries().get("delivered") == 1
            )
            first.send_signal(signal.SIGKILL)
            first.wait()
        hanging.hang = False
        # what time does by itself
        service.rows("UPDATE webhook_deliveries SET lease_until = now() WHERE lease_until IS NOT NULL RETURNING 1")
        with service.dispatch() as second:
            until("both delivered", lambda: service.deliveries() == {"delivered": 2})
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0
    assert [call.verified for call in hanging.calls] == [True, True]
    assert len({call.message_id for call in hanging.calls}) == 1
    assert len(answering.calls) == 1
    ledger = service.rows("SELECT attempt, outcome FROM webhook_attempts ORDER BY delivery_id, attempt")
    assert sorted(ledger, key=str) == [(1, "delivered"), (1, None), (2, "delivered")]
