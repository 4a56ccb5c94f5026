"""Jobs that are done again: a new run takes the place of the old one, or its result goes elsewhere and changes nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.stack import Stack
from producers.kafka.publisher import Publisher, headers_of
from producers.kafka.topic_history import TopicHistory
from producers.replay.new_run import Changes
from producers.replay.replayer import Prepared, RateLimit, Report, send_again
from producers.replay.selection import ReplayFilter, ReplayTarget, SelectedRequest, prepare, read
from schemas.errors import Outage
from schemas.events import JobRequested, JobResult, Outcome
from schemas.models.registry import load_registry
from schemas.settings.outbound import OutboundSettings
from schemas.topics import JOBS
from schemas.wire.headers import ERROR_MESSAGE, REPLAY_ID, RESULTS_TO
from schemas.wire.records import Record, record_of
from sink.jobs.replay_log import ReplayAction, ReplayCommand, ReplayRejection
from sink.jobs.runs import Effect
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.webhooks.secrets import SecretBox, new_key
from streams.agents.persist import Persist
from streams.agents.webhooks import Webhooks
from tests.integration.commands import Run, scribe
from tests.integration.faust_process import until
from tests.integration.gpu import SERDE, GpuGroup, create_topics, headers, job, member
from tests.integration.shim import in_database
from tests.samples import AT

BOX = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))

AS_BEFORE = ReplayTarget()


@pytest.fixture
def group(kafka: str, topic_admin: AdminClient) -> Iterator[GpuGroup]:
    made, names = create_topics(kafka)
    yield made
    for deletion in topic_admin.delete_topics(names).values():
        deletion.result()


@pytest.fixture
def trial(topic_admin: AdminClient) -> Iterator[str]:
    name = f"scribe.results.test-{uuid4().hex[:8]}"
    topic_admin.create_topics([NewTopic(name, 1, 1, config={"retention.ms": "600000"})])[name].result()
    yield name
    topic_admin.delete_topics([name])[name].result()


class ReplayHarness:
    """One group of fake GPU workers, and what persist and webhooks make of its topics."""

    def __init__(self, group: GpuGroup, dsn: str, store: S3ObjectStore) -> None:
        self.group, self.dsn, self.store = group, dsn, store

    def replay(self, target: ReplayTarget = AS_BEFORE, **wanted: Any) -> tuple[list[SelectedRequest], Report]:
        command = ReplayCommand(action=ReplayAction.REPLAY, replay_id=uuid4(), requested_by="operator")
        with TopicHistory.open(self.group.settings) as history:
            found = read(history, SERDE, ReplayFilter(**wanted), [self.group.jobs])
        prepared = prepare(SERDE, self.store, load_registry(), found, target)

        async def run(database: Database, publisher: Publisher) -> Report:
            return await send_again(database, publisher, command, prepared, RateLimit(None))

        with Publisher(self.group.settings) as publisher:
            return found, in_database(self.dsn, lambda database: run(database, publisher))

    def settle(self) -> None:
        """Apply all that is in the topics, as the Faust apps do: each event as often as it is read."""

        async def run(database: Database) -> None:
            persist = Persist(database, self.store)
            webhooks = Webhooks(database, BOX, "https://scribe.example")
            for message in _ours(self.group.read(self.group.jobs)):
                await persist.requested(SERDE.decode(message.value(), JobRequested))
            for result in self.group.job_results():
                await persist.ended(result)
                await webhooks.ended(result)

        in_database(self.dsn, run)

    def late(self, result: JobResult) -> str:
        return in_database(self.dsn, lambda database: Persist(database, self.store).ended(result))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()


def _ours(messages: Sequence[Any]) -> list[Any]:
    return [message for message in messages if RESULTS_TO not in headers(message)]


@pytest.fixture
def world(group: GpuGroup, database: str, object_store: S3ObjectStore) -> ReplayHarness:
    return ReplayHarness(group, database, object_store)


def test_a_finished_job_ends_again_as_run_2_with_one_visible_result_and_one_more_webhook(
    world: ReplayHarness, trial: str
) -> None:
    """First elsewhere, which changes nothing, then in its place; the late result of the first run changes nothing."""
    group, model = world.group, load_registry().default
    done, other = job(), job()
    done = replace(done, webhook_url="https://acme.example/hook", expires_at=None)
    group.publish(done, other)
    state = "SELECT job_id, run, state, request, result_event_id, updated_at FROM jobs ORDER BY job_id"
    with member(group):
        group.await_results(2)
        world.settle()
        before = world.rows(state)
        [first] = [result for result in group.job_results() if result.job_id == done.job_id]

        target = ReplayTarget(changes=Changes(model=model, language="he"), results=trial)
        found, aside = world.replay(target, jobs=frozenset({done.job_id}))
        assert [each.request.job_id for each in found] == [done.job_id]
        assert [entry.run for entry in aside.sent] == [2]
        [there] = _await(group, trial)
        result = SERDE.decode(there.value(), JobResult)
        assert (result.run, result.request.options.model, result.request.options.language) == (2, model, "he")
        assert headers_of(there)[REPLAY_ID] == str(aside.sent[0].replay_id)
        world.settle()
        assert world.rows(state) == before
        assert len(group.job_results()) == 2

        _, report = world.replay(jobs=frozenset({done.job_id}))
        assert [entry.run for entry in report.sent] == [3]
        results = group.await_results(3)
    assert sorted(r.run for r in results if r.job_id == done.job_id) == [1, 3]
    world.settle()
    assert world.rows(f"SELECT run, state FROM jobs WHERE job_id = '{done.job_id}'") == [(3, "completed")]
    ran = world.rows(f"SELECT run, state FROM job_events WHERE job_id = '{done.job_id}' ORDER BY id")
    assert ran == [(1, "queued"), (1, "completed"), (3, "queued"), (3, "completed")]
    assert world.rows(f"SELECT count(*) FROM webhook_deliveries WHERE job_id = '{done.job_id}'") == [(2,)]
    assert world.rows(f"SELECT count(*) FROM segments WHERE job_id = '{done.job_id}'") == [(1,)]
    after = world.rows(state)
    assert world.late(first) == Effect.STALE
    assert world.rows(state) == after


def _await(group: GpuGroup, topic: str) -> list[Any]:
    until(f"a record in {topic}", lambda: bool(group.read(topic)))
    return group.read(topic)


def test_a_failure_goes_elsewhere_too_and_a_topic_that_is_missing_stops_nobody(
    world: ReplayHarness, trial: str
) -> None:
    """Whoever named it: the record is set aside, and the jobs behind it are done."""
    group = world.group
    failing, good = job(fake_outcome="permanent"), job()
    for topic in (trial, "scribe.results.absent", "scribe.jobs"):
        record = record_of(SERDE, group.jobs, failing, "test", AT)
        group.publish_records(Record(record.topic, record.key, record.value, {**record.headers, RESULTS_TO: topic}))
    group.publish(good)
    with member(group):
        assert [result.job_id for result in group.await_results(1)] == [good.job_id]
        assert group.await_no_lag() == 0
    [there] = _await(group, trial)
    assert SERDE.decode(there.value(), JobResult).outcome is Outcome.FAILED
    dead = [headers(message)[ERROR_MESSAGE] for message in group.read(group.dlq)]
    assert len(dead) == 2
    assert all("no result can be written to the topic" in message for message in dead)


def test_what_does_not_fit_and_what_is_over_is_told_before_anything_is_sent(world: ReplayHarness) -> None:
    """A model without the language that is asked for, and an upload that nobody has any more."""
    upload = replace(job(), source=replace(job().source, uri=f"upload://{uuid4()}"))
    world.group.publish(upload, job())
    _, report = world.replay(tenant="acme")
    assert (len(report.sent), report.reasons) == (1, {ReplayRejection.RECORDING_GONE: 1})
    _, report = world.replay(ReplayTarget(changes=Changes(language="klingon")), tenant="acme")
    assert (report.sent, report.reasons) == ([], {ReplayRejection.INVALID: 2})
    _, report = world.replay(ReplayTarget(changes=Changes(track="Hebrew")), tenant="acme")
    assert (report.sent, report.reasons) == ([], {ReplayRejection.INVALID: 2})


def test_an_outage_in_the_middle_is_gone_on_from(world: ReplayHarness) -> None:
    """Under the same id, and each job in the run that it was given at first."""

    class Away:
        """A publisher whose broker goes away after the first batch; implements RecordPublisher."""

        def __init__(self, publisher: Publisher) -> None:
            self.publisher, self.calls = publisher, 0

        def publish(self, *records: Record) -> None:
            self.calls += 1
            if self.calls == 2:
                raise Outage("as ordered")
            self.publisher.publish(*records)

    group = world.group
    group.publish(*(job() for _ in range(6)))
    command = ReplayCommand(action=ReplayAction.REPLAY, replay_id=uuid4(), requested_by="operator")

    def prepared() -> Prepared:
        with TopicHistory.open(group.settings) as history:
            found = read(history, SERDE, ReplayFilter(), [group.jobs], replay_id=command.replay_id)
        return prepare(SERDE, world.store, load_registry(), found, ReplayTarget())

    async def run(database: Database, publisher: Publisher) -> Report:
        with pytest.raises(Outage):
            await send_again(database, Away(publisher), command, prepared(), RateLimit(2.5))
        # as another process does it, which finds the new runs of the first beside the old ones
        return await send_again(database, publisher, command, prepared(), RateLimit(None))

    with Publisher(group.settings) as publisher:
        report = in_database(world.dsn, lambda database: run(database, publisher))
    assert (len(report.sent), report.reasons) == (4, {ReplayRejection.DONE: 2})
    sent = [SERDE.decode(message.value(), JobRequested) for message in group.read(group.jobs)]
    assert sorted(request.run for request in sent) == [1] * 6 + [2] * 6


def test_the_command_counts_replays_and_misses(
    stack: Stack, topic_admin: AdminClient, database: str, bucket: str, run_here: Run, tmp_path: Path
) -> None:
    values = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": bucket, "COLUMNS": "200"}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    if JOBS not in topic_admin.list_topics(timeout=90).topics:
        assert scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    tenant, absent = f"t{uuid4().hex}", str(uuid4())
    requests = [replace(job(), tenant=tenant) for _ in range(3)]
    with Publisher(GpuGroup(stack.kafka_bootstrap, "", "", "", "").settings) as publisher:
        publisher.publish(*(record_of(SERDE, JOBS, request, "test", AT) for request in requests))
    counted = run_here("replay", "--tenant", tenant, "--dry-run", "--json", **values)
    assert json.loads(counted.stdout) == {"tenant": tenant, "topic": JOBS, "model": "", "refused": "", "count": 3}
    one = str(requests[0].job_id)
    done = run_here("replay", "--job", one, "--job", absent, "--model", load_registry().default, "--json", **values)
    assert (done.returncode, json.loads(done.stdout)["replayed"]) == (1, 1), done.stderr
    assert f"{absent}: no record" in done.stderr
    with psycopg.connect(database) as connection:  # where the beginnings of ids are looked for
        connection.execute(
            "INSERT INTO jobs (job_id, tenant, state, request, requested_at) VALUES (%s, %s, 'completed', '{}', now())",
            [one, tenant],
        )
    begun = run_here("replay", "--job", one[:13].upper(), "--tenant", tenant, "--dry-run", "--json", **values)
    assert json.loads(begun.stdout)["count"] == 1, begun.stderr
    nobodys = run_here("replay", "--job", one[:13], "--tenant", "globex", "--dry-run", **values)
    assert (nobodys.returncode, f"no job begins with '{one[:13].replace('-', '')}'" in nobodys.stderr) == (2, True)
    again = json.loads(run_here("replay", "--tenant", tenant, "--json", **values).stdout)
    assert (again["replayed"], again["refused"]) == (3, [])
    listed, broken = tmp_path / "ids.txt", tmp_path / "broken.txt"
    listed.write_text("".join(f"{request.job_id}\n\n" for request in requests))
    broken.write_text(f"{one}\nnonsense\n")
    counted = run_here("replay", "--jobs-from", str(listed), "--dry-run", "--json", **values)
    assert sum(json.loads(line)["count"] for line in counted.stdout.splitlines()) == 3
    for wrong in (
        (),
        ("--jobs-from", str(broken)),
        ("--job", one, "--model", "absent"),
        ("--job", one, "--results", "scribe.jobs"),
    ):
        assert run_here("replay", *wrong, **values).returncode == 2
