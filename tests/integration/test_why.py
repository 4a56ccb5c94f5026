"""`scribe why JOB --direct`: jobs that are held by each gate on a broker and database of their own, for the names are the real ones."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from deploy.local.stack import Stack
from gpu_consumers.core.delivery.crash_suspects import StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.offsets import encode
from producers.jobs.submit import accept, job_record
from schemas.events import JobRequested, JobResult, Outcome, event_id
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason
from schemas.process.wait_report import IN_WORK
from schemas.settings.outbound import OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.topics import JOBS, PROGRESS, RESULTS, TRANSCRIBERS, dlq_topic, retry_topic
from schemas.wire.headers import Origin, dead_letter_headers, retry_headers
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde
from sink.jobs.results import StoredTranscript, apply_request, apply_result
from sink.process.health_server import HealthServer
from sink.webhooks.secrets import SecretBox, new_key
from streams.agents.webhooks import Webhooks
from tests.integration.commands import Run, scribe
from tests.integration.gpu import GpuGroup, GroupMember, job, publish_to
from tests.integration.shim import in_database, in_transaction
from tests.integration.waiting import wait_for
from tests.samples import TRANSCRIPT

SERDE = Serde()
BOX = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@dataclass(frozen=True)
class Desk:
    """An operator's desk: the stack, and jobs brought into any situation."""

    stack: Stack

    @property
    def dsn(self) -> str:
        return self.stack.postgres_dsn()

    @property
    def values(self) -> dict[str, str]:
        return {"SCRIBE_POSTGRES_DSN": self.dsn, "SCRIBE_KAFKA_BOOTSTRAP": self.stack.kafka_bootstrap}

    @property
    def group(self) -> GpuGroup:
        return GpuGroup(self.stack.kafka_bootstrap, TRANSCRIBERS, JOBS, RESULTS, PROGRESS)

    def accepted(self, **changes: Any) -> JobRequested:
        """A job that REST has accepted, with its row in the outbox."""
        request = replace(job(), **changes)
        record = job_record(SERDE, request, "api", request.requested_at)
        in_database(self.dsn, lambda database: accept(database, request, record))
        return request

    def publish(self, request: JobRequested, topic: str = JOBS, headers: dict[str, str] | None = None) -> None:
        """What the relay does, and what else writes records of a job."""
        record = record_of(SERDE, topic, request, "test", datetime.now(UTC))
        publish_to(self.stack.kafka_bootstrap, replace(record, headers={**record.headers, **(headers or {})}))
        self.execute("UPDATE outbox SET published_at = now() WHERE key = %s", str(request.job_id).encode())

    def publish_result(self, request: JobRequested) -> JobResult:
        result = result_of(request)
        publish_to(self.stack.kafka_bootstrap, record_of(SERDE, RESULTS, result, "test", datetime.now(UTC)))
        return result

    def publish_record(self, record: Record) -> None:
        publish_to(self.stack.kafka_bootstrap, record)

    def execute(self, query: str, *values: Any) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(query.encode(), values)


def result_of(request: JobRequested) -> JobResult:
    return JobResult(
        event_id=event_id(request.job_id, JobResult.KIND, request.run),
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request,
        outcome=Outcome.COMPLETED,
        completed_at=datetime.now(UTC),
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Stack(tmp_path_factory.mktemp("stack"), durable=False) as stack:
        made = Desk(stack)
        assert scribe("database", "migrate", **made.values).returncode == 0
        few = ("--partitions", "2", "--replication-factor", "1")
        assert scribe("topics", "apply", *few, **stack.environment()).returncode == 0
        yield made


def relay_stopped(desk: Desk) -> JobRequested:
    return desk.accepted()


def kafka_refused(desk: Desk) -> JobRequested:
    request = desk.accepted()
    refused = "UPDATE outbox SET failed_at = now(), failed_reason = 'too large' WHERE key = %s"
    desk.execute(refused, str(request.job_id).encode())
    return request


def group_not_running(desk: Desk) -> JobRequested:
    request = desk.accepted()
    desk.publish(request)
    return request


def only_in_kafka(desk: Desk) -> JobRequested:
    """It came from an upstream system, and persist has not read it."""
    request = job()
    desk.publish(request)
    return request


def retried_later(desk: Desk, step: str = "10m") -> JobRequested:
    request = desk.accepted()
    due = datetime.now(UTC) + timedelta(minutes=9)
    headers = retry_headers({}, Origin(JOBS, 0, 0), 3, due, "the disk is full")
    desk.publish(request, retry_topic(TRANSCRIBERS, step), headers)
    return request


def result_unread(desk: Desk) -> JobRequested:
    request = desk.accepted()
    desk.publish(request)
    desk.publish_result(request)
    return request


def dead_lettered(desk: Desk) -> JobRequested:
    request = desk.accepted()
    headers = dead_letter_headers({}, Origin(JOBS, 0, 0), TRANSCRIBERS, "internal", "internal", "no idea")
    desk.publish(request, dlq_topic(TRANSCRIBERS), headers)
    return request


def lost(desk: Desk) -> JobRequested:
    request = desk.accepted()
    desk.execute("UPDATE outbox SET published_at = now() WHERE key = %s", str(request.job_id).encode())
    return request


SITUATIONS: dict[WaitReason, Callable[[Desk], JobRequested]] = {
    WaitReason.OUTBOX_UNPUBLISHED: relay_stopped,
    WaitReason.OUTBOX_REFUSED: kafka_refused,
    WaitReason.NO_MEMBERS: group_not_running,
    WaitReason.RETRY_DELAY: retried_later,
    WaitReason.RESULT_NOT_APPLIED: result_unread,
    WaitReason.DEAD_LETTER: dead_lettered,
    WaitReason.NO_RECORD: lost,
}


def why(desk: Desk, run: Run, request: JobRequested, *options: str) -> dict[str, Any]:
    done = run("why", str(request.job_id), "--direct", "--json", *options, **desk.values)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("reason", SITUATIONS)
def test_the_gate_that_holds_a_job_is_named(desk: Desk, run_here: Run, reason: WaitReason) -> None:
    request = SITUATIONS[reason](desk)
    found = why(desk, run_here, request)
    assert [(wait["subject"], wait["reason"]) for wait in found["waits"]] == [("job", reason)]
    [wait] = found["waits"]
    assert (found["held"], found["state"], found["tenant"]) == (True, "queued", "acme")
    assert (wait["message"], wait["runbook"]) == (WAIT_REASONS[reason].sentence, WAIT_REASONS[reason].runbook)
    assert (wait["next_attempt_at"] is not None) == (reason is WaitReason.RETRY_DELAY)


LATE = (
    "UPDATE jobs SET requested_at = now() + interval '2 hours' WHERE job_id = %s",  # its clock is ahead
    "UPDATE jobs SET requested_at = now() + interval '2 hours', updated_at = now() + interval '2 hours' WHERE job_id = %s",
)


@pytest.mark.parametrize("reason", [WaitReason.NO_MEMBERS, WaitReason.DEAD_LETTER])
@pytest.mark.parametrize("change", LATE, ids=["a clock is ahead", "the database is late"])
def test_no_job_is_said_to_be_lost_for_the_time_of_its_record(
    desk: Desk, run_here: Run, reason: WaitReason, change: str
) -> None:
    """Whoever is told so does it again."""
    request = SITUATIONS[reason](desk)
    desk.execute(change, request.job_id)
    assert [wait["reason"] for wait in why(desk, run_here, request)["waits"]] == [reason]


def test_a_job_that_the_database_does_not_know_is_found_in_kafka(desk: Desk, run_here: Run) -> None:
    found = why(desk, run_here, only_in_kafka(desk))
    assert (found["state"], [wait["reason"] for wait in found["waits"]]) == ("unknown", [WaitReason.NO_MEMBERS])


def test_people_are_told_what_holds_it_where_it_lies_and_what_to_do(desk: Desk, run_here: Run) -> None:
    request = retried_later(desk)
    done = run_here("why", request.job_id.hex[:12], "--direct", **desk.values)
    assert done.returncode == 0, done.stderr
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "retry_delay (job): Its last attempt failed" in lines["held by"]
    assert "UTC" in lines["goes on at"]
    assert f"record {retry_topic(TRANSCRIBERS, '10m')}/" in done.stdout
    assert ", attempt 3" in done.stdout
    assert "group scribe.transcribers: no processes" in done.stdout
    assert WAIT_REASONS[WaitReason.RETRY_DELAY].runbook in lines["what to do"]


def test_a_job_that_nobody_knows_is_said_to_be_so(desk: Desk, run_here: Run) -> None:
    unknown = run_here("why", str(uuid4()), "--direct", **desk.values)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "neither the database nor a record that waits in Kafka names it" in unknown.stderr
    prefix = run_here("why", "0000000000", "--direct", **desk.values)
    assert (prefix.returncode, "no job begins with '0000000000'" in prefix.stderr) == (2, True)


def with_webhook(desk: Desk) -> tuple[JobRequested, JobResult]:
    """A job whose result is in the hands of the webhooks app, and not applied."""
    request = desk.accepted(webhook_url=f"https://{uuid4().hex}.example/hook")
    desk.execute("DELETE FROM outbox WHERE key = %s", str(request.job_id).encode())
    result = desk.publish_result(request)
    ended = in_database(desk.dsn, lambda database: Webhooks(database, BOX, "https://scribe.example").ended(result))
    assert ended == "scheduled"
    return request, result


def applied(desk: Desk, request: JobRequested, result: JobResult) -> None:
    async def work(connection: Any) -> None:
        await apply_request(connection, request)
        await apply_result(connection, result, StoredTranscript(TRANSCRIPT, "s3://x/t.json"))

    in_transaction(desk.dsn, work)


ENDPOINT = "FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id AND d.job_id = %s"
FAULTS = {
    WaitReason.WEBHOOK_DUE: "SELECT %s::uuid",
    WaitReason.LEASE_HELD: "UPDATE webhook_deliveries SET attempt = 1, lease_token = gen_random_uuid(),"
    " lease_until = now() + interval '1 minute' WHERE job_id = %s",
    WaitReason.ENDPOINT_DISABLED: f"UPDATE webhook_endpoints e SET state = 'disabled', reason = 'gone' {ENDPOINT}",
    WaitReason.ENDPOINT_PAUSED: f"UPDATE webhook_endpoints e SET blocked_until = now() + interval '1 hour' {ENDPOINT}",
}


def test_a_webhook_waits_for_its_result_to_be_applied(desk: Desk, run_here: Run) -> None:
    request, _ = with_webhook(desk)
    found = why(desk, run_here, request)
    assert [(wait["subject"], wait["reason"]) for wait in found["waits"]] == [
        ("job", WaitReason.RESULT_NOT_APPLIED),
        ("webhook", WaitReason.WEBHOOK_GATE),
        ("webhook", WaitReason.WEBHOOK_UNSCHEDULED),  # the app itself does not run: its group has not read the result
    ]


def test_a_result_is_found_although_the_clock_of_its_request_was_ahead(desk: Desk, run_here: Run) -> None:
    request, result = with_webhook(desk)
    applied(desk, request, result)
    desk.execute(LATE[0], request.job_id)
    found = why(desk, run_here, request)
    assert ("webhook", WaitReason.WEBHOOK_UNSCHEDULED) in [(wait["subject"], wait["reason"]) for wait in found["waits"]]


@pytest.mark.parametrize("reason", FAULTS)
def test_the_gate_that_holds_a_webhook_is_named(desk: Desk, run_here: Run, reason: WaitReason) -> None:
    request, result = with_webhook(desk)
    applied(desk, request, result)
    desk.execute(FAULTS[reason], request.job_id)
    found = why(desk, run_here, request)
    assert (found["state"], found["message"]) == ("completed", WAIT_REASONS[reason].sentence)
    assert ("webhook", reason) in [(wait["subject"], wait["reason"]) for wait in found["waits"]]


@contextmanager
def process(desk: Desk, **options: Any) -> Iterator[tuple[GroupMember, str]]:
    """A GPU process of the real group, and where it answers."""
    member = GroupMember(desk.group, "worker", drain_seconds=0.1, **options)
    with HealthServer(
        ServiceSettings(metrics_port=0), ready=member.service.ready, waits=member.service.waits
    ) as health:
        member.start()
        try:
            yield member, f"http://127.0.0.1:{health.port}"
        finally:
            member.stop()


def mark_suspect(desk: Desk, request: JobRequested) -> tuple[str, int, int]:
    """As if the owner of its partition had died while it ran; where it lies."""
    [message] = [each for each in desk.group.read(JOBS) if each.key() == str(request.job_id).encode()]
    partition, offset = message.partition() or 0, message.offset() or 0
    marks = StartMarks(True, (StartMark(offset, StartMode.SHARED),))
    options = {"bootstrap.servers": desk.stack.kafka_bootstrap, "group.id": TRANSCRIBERS, "enable.auto.commit": False}
    operator = Consumer(options)
    position = TopicPartition(JOBS, partition, offset, encode(offset, (), marks))
    operator.commit(offsets=[position], asynchronous=False)
    operator.close()
    return JOBS, partition, offset


def test_what_a_process_holds_inside_is_asked_of_it(desk: Desk, run_here: Run) -> None:
    """A suspect runs alone, others wait for it, and one that failed waits for its time."""
    # given: a record that may have ended a process runs alone, and another one comes
    suspect, other = desk.accepted(metadata={"fake-seconds": "600"}), desk.accepted()
    desk.publish(suspect)
    place = mark_suspect(desk, suspect)
    with process(desk) as (member, url):
        wait_for(lambda: member.service.waits().record(*place) == IN_WORK)
        desk.publish(other)
        wait_for(lambda: any(each.reason is WaitReason.ISOLATION for each in member.service.waits().waiting))
        # in this process delays are a hundredth: it waits for half a minute at most
        retried_later(desk, "1h")
        wait_for(lambda: any(each.reason is WaitReason.RETRY_DELAY for each in member.service.waits().waiting))
        # when: only Kafka is asked, it is said whom to ask
        outside = why(desk, run_here, other)
        [wait] = outside["waits"]
        assert wait["reason"] == WaitReason.BACKLOG
        assert any("worker at" in line and "--process" in line for line in wait["evidence"])
        # then: the process knows
        [wait] = why(desk, run_here, other, "--process", url)["waits"]
        assert (wait["reason"], f"{url} has it" in wait["evidence"]) == (WaitReason.ISOLATION, True)
        running = why(desk, run_here, suspect, "--process", url)
        assert (running["held"], running["waits"]) == (False, [])
        assert f"{url} works on it" in running["evidence"]
        # and a process that is none, or is not there, is named
        gone = run_here("why", str(other.job_id), "--direct", "--process", "http://127.0.0.1:1", **desk.values)
        assert (gone.returncode, "http://127.0.0.1:1 does not answer" in gone.stderr) == (1, True)
