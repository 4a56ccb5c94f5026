"""`scribe dlq` over real topics, database and object store, and what becomes of jobs that are sent again."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.stack import Stack
from producers.kafka.publisher import Publisher, headers_of
from producers.kafka.topic_history import StoredRecord, TopicHistory
from producers.replay.dead_letters import DeadLetter, DeadLetterFilter, letter_of, read
from producers.replay.new_run import redriven
from producers.replay.redrive import prepare
from producers.replay.replayer import RateLimit, Report
from producers.replay.replayer import send_again as send
from schemas.errors import Poison
from schemas.events import JobRequested, JobResult, Outcome, Source
from schemas.ports import RecordPublisher
from schemas.settings.kafka import KafkaSettings
from schemas.settings.outbound import OutboundSettings
from schemas.topics import (
    DIARIZERS,
    ENHANCE,
    GROUPS,
    JOBS,
    PERSIST,
    RESULTS,
    TRANSCRIBERS,
    TRANSCRIPTS,
    WEBHOOKS,
    dlq_topic,
)
from schemas.wire.headers import ERROR_MESSAGE, ONLY_FOR, REPLAY_ID, Origin, dead_letter_headers
from schemas.wire.object_keys import upload_key
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from sink.jobs.replay_log import ReplayAction, ReplayCommand, ReplayRejection
from sink.jobs.runs import Effect
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.webhooks.secrets import SecretBox, new_key
from streams.agents.persist import Persist
from streams.agents.webhooks import Webhooks
from streams.runtime.dead_letters import DeadLetterReason as Reason
from tests.conftest import TopicFactory
from tests.integration.commands import Done, Run, Started, environment, scribe
from tests.integration.gpu import GpuGroup, create_topics, job, member, publish_to, read_topic
from tests.integration.shim import in_database
from tests.integration.waiting import wait_for
from tests.samples import AT, SAMPLES
from tests.streams.jobs import new_job

SERDE = Serde()
Dlq = Callable[..., Done]
EVENTS = {
    TRANSCRIBERS: "JobRequested-full",
    DIARIZERS: "TranscriptReady-full",
    PERSIST: "JobResult-completed",
    ENHANCE: "JobResult-completed",
    WEBHOOKS: "JobResult-completed",
}


def dead_letter(group: str, value: bytes, origin: Origin, topic: str | None = None, code: str = "internal") -> Record:
    headers = dead_letter_headers({"x-upstream": "7"}, origin, group, "internal", code, "as ordered")
    return Record(topic or dlq_topic(group), b"key", value, headers)


@pytest.fixture
def dlq(stack: Stack, topic_admin: AdminClient, database: str, bucket: str, run_here: Run) -> Dlq:
    """`scribe dlq ...` on the topics of the service, which every test here uses for a tenant of its own."""
    values = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": bucket, "COLUMNS": "200"}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    if not set(map(dlq_topic, GROUPS)) <= set(topic_admin.list_topics(timeout=90).topics):
        assert scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    return lambda *words: run_here("dlq", *words, **values)


def lines(done: Done) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


ORIGINS = {"JobRequested": JOBS, "TranscriptReady": TRANSCRIPTS, "JobResult": RESULTS}


def sent_for(kafka: str, tenant: str) -> list[tuple[Any, dict[str, str]]]:
    """Events of a tenant in the topics of the service, with their headers."""
    found: list[tuple[Any, dict[str, str]]] = []
    for message in (message for topic in ORIGINS.values() for message in read_topic(kafka, topic)):
        with suppress(Poison):  # of other tests
            found.append((SERDE.decode_any(message.value()), headers_of(message)))
    return [(event, headers) for event, headers in found if event.tenant == tenant]


def test_dead_letters_of_every_group_are_listed_shown_redriven_once_and_discarded(
    kafka: str, object_store: S3ObjectStore, dlq: Dlq
) -> None:
    """Jobs come back as their next run, what the Faust apps set aside as it was and for the same app only."""
    tenant = f"t{uuid4().hex}"
    samples: dict[str, Any] = {group: SAMPLES[name] for group, name in EVENTS.items()}
    begins = uuid4().hex[:8]
    events = {
        group: replace(event, tenant=tenant, job_id=UUID(begins + uuid4().hex[8:])) for group, event in samples.items()
    }
    publish_to(
        kafka, *(dead_letter(group, SERDE.encode(x), Origin(ORIGINS[x.KIND], 0, 5)) for group, x in events.items())
    )
    object_store.put(f"{tenant}/call.wav", b"x", content_type="audio/wav")
    found = lines(dlq("list", "--tenant", tenant, "--json"))
    assert {line["group"] for line in found} == set(GROUPS)
    assert {(line["code"], line["handled"]) for line in found} == {("internal", None)}
    assert [x["group"] for x in lines(dlq("list", "--tenant", tenant, "--group", "persist", "--json"))] == [PERSIST]
    one = str(events[TRANSCRIBERS].job_id)
    for written in (one, one[:20].upper(), f" {one.replace('-', '')[:16]} "):
        assert [line["job_id"] for line in lines(dlq("list", "--job", written, "--json"))] == [one]
    several = dlq("redrive", "--job", begins)
    assert (several.returncode, several.stdout, several.stderr.count(tenant)) == (2, "", 5), several
    assert all(str(event.job_id) in several.stderr for event in events.values())
    table = dlq("list", "--tenant", tenant).stdout.splitlines()
    assert len(table) == 6
    assert all(str(event.job_id) in "".join(table) for event in events.values())
    [transcribers] = [str(line["item"]) for line in found if line["group"] == TRANSCRIBERS]
    shown = json.loads(dlq("show", transcribers).stdout)
    assert (shown["value"]["tenant"], shown["headers"]["x-upstream"]) == (tenant, "7")
    [webhooks] = [str(line["item"]) for line in found if line["group"] == WEBHOOKS]
    discarded = dlq("discard", webhooks)
    assert (discarded.returncode, discarded.stdout.startswith("1 discarded")) == (0, True), discarded.stderr

    counted = lines(dlq("redrive", "--tenant", tenant, "--dry-run", "--json"))
    assert {(line["group"], line["refused"], line["count"]) for line in counted} == {
        *((group, "", 1) for group in GROUPS if group != WEBHOOKS),
        (WEBHOOKS, "done before", 1),
    }
    assert sent_for(kafka, tenant) == []
    redriven = dlq("redrive", "--tenant", tenant, "--json")
    assert redriven.returncode == 1
    report = json.loads(redriven.stdout)
    assert (report["redriven"], report["refused"]) == (4, [{"item": webhooks, "reason": "done before"}])
    sent = sent_for(kafka, tenant)
    assert {(event.KIND, event.run, headers.get(ONLY_FOR)) for event, headers in sent} == {
        ("JobRequested", 4, None),
        ("TranscriptReady", 2, None),
        ("JobResult", 2, None),
        ("JobResult", 1, ENHANCE),
    }
    assert {headers[REPLAY_ID] for _, headers in sent} == {report["replay_id"]}

    again = dlq("redrive", "--tenant", tenant)
    assert (again.returncode, again.stdout.startswith("0 redriven")) == (1, True)
    assert again.stderr.count("done before") == 5
    assert lines(dlq("list", "--tenant", tenant, "--json")) == []
    handled = {
        line["group"]: str(line["handled"]) for line in lines(dlq("list", "--tenant", tenant, "--all", "--json"))
    }
    assert handled.pop(WEBHOOKS).startswith("discard 20")
    assert all(words.startswith("redrive 20") and " by operator " in words for words in handled.values())
    assert dlq("redrive", transcribers, "--force").returncode == 0
    assert len(sent_for(kafka, tenant)) == 5


def test_what_nobody_can_read_is_refused_by_name_unless_that_is_demanded(kafka: str, dlq: Dlq) -> None:
    mark = uuid4().hex
    letter = dead_letter(TRANSCRIBERS, b"\xffnonsense", Origin(JOBS, 0, 5), code="undecodable")
    publish_to(kafka, replace(letter, headers={**letter.headers, ERROR_MESSAGE: mark}))
    refused = dlq("redrive", "--text", mark)
    assert (refused.returncode, refused.stdout.startswith("0 redriven")) == (1, True)
    assert "refused: nobody can read it, so it would only come back; --unreadable sends" in refused.stderr
    [counted] = lines(dlq("redrive", "--text", mark, "--dry-run", "--json"))
    assert str(counted["refused"]).startswith("nobody can read it")
    assert dlq("redrive", "--text", mark, "--unreadable").returncode == 0


def test_a_redrive_that_is_interrupted_says_how_to_go_on(
    kafka: str, stack: Stack, database: str, bucket: str, dlq: Dlq
) -> None:
    tenant = f"t{uuid4().hex}"
    publish_to(kafka, dead_letter(ENHANCE, SERDE.encode(new_job(tenant=tenant).result()), Origin(RESULTS, 0, 5)))
    assert len(lines(dlq("list", "--tenant", tenant, "--json"))) == 1
    values = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": bucket}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as looking:
        holder.execute("LOCK TABLE replayed_records IN ACCESS EXCLUSIVE MODE")
        started = Started("dlq", "redrive", "--tenant", tenant, **values)
        wait_for(lambda: bool(looking.execute(WAITS).fetchall()))
        assert started.interrupt(signal.SIGINT) == (
            130,
            "",
            ["interrupted: 0 of 1 redriven; to go on: the same command again, which does nothing twice"],
        )
    assert dlq("redrive", "--tenant", tenant).stdout.startswith("1 redriven")


WAITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def test_what_is_not_meant_is_not_touched(dlq: Dlq) -> None:
    for words in (("redrive",), ("discard",), ("redrive", "transcribers/x/1"), ("list", "--group", "nobody")):
        refused = dlq(*words)
        assert refused.returncode == 2, refused
    assert ["show", "transcribers/0/999999999"][0] == "show"
    assert dlq("show", "transcribers/0/999999999").returncode == 2
    assert dlq("redrive", "--tenant", "nobody", "--to", "2m").returncode == 2
    nothing = dlq("redrive", "--tenant", f"t{uuid4().hex}")
    assert (nothing.returncode, nothing.stdout.startswith("0 redriven")) == (0, True)


def letters_of(kafka: str, topic: str, group: str = TRANSCRIBERS) -> list[DeadLetter]:
    with TopicHistory.open(KafkaSettings(kafka_bootstrap=kafka)) as history:
        return list(read(history, SERDE, DeadLetterFilter(), {topic: group}))


def send_again(
    dsn: str, store: S3ObjectStore, publisher: RecordPublisher, letters: Sequence[DeadLetter], *to: str
) -> Report:
    command = ReplayCommand(action=ReplayAction.REDRIVE, replay_id=uuid4(), requested_by="operator")
    prepared = prepare(SERDE, store, letters, ways_back={TRANSCRIBERS: to})

    async def run(database: Database) -> Report:
        return await send(database, publisher, command, prepared, RateLimit(1000))

    return in_database(dsn, run)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_redrive_that_was_killed_is_finished_by_the_next_in_the_same_runs(
    kafka: str, stack: Stack, database: str, object_store: S3ObjectStore, fresh_topic: TopicFactory, moment: str
) -> None:
    """SIGKILL between the intent and the record, and between the record and its end: never a second event."""
    topic, jobs = fresh_topic(2, name="dlq"), fresh_topic(1, name="jobs")
    requests = [new_job().request() for _ in range(150)]
    publish_to(kafka, *(dead_letter(TRANSCRIBERS, SERDE.encode(r), Origin(jobs, 0, 5), topic) for r in requests))
    command = [sys.executable, "-m", "tests.integration.redrive_process", topic, jobs, moment]
    values = environment(**{**stack.environment(), "SCRIBE_POSTGRES_DSN": database})
    assert subprocess.run(command, env=values, check=False).returncode == -signal.SIGKILL
    letters = letters_of(kafka, topic)
    with Publisher(KafkaSettings(kafka_bootstrap=kafka)) as publisher:
        report = send_again(database, object_store, publisher, letters, jobs)
        assert (len(report.sent), report.refused) == (150, {})
        assert len({entry.replay_id for entry in report.sent}) == 2  # a batch keeps the id of its first command
        second = send_again(database, object_store, publisher, letters, jobs)
        assert (second.sent, second.reasons) == ([], {ReplayRejection.DONE: 150})
    sent = [SERDE.decode(m.value(), JobRequested) for m in read_topic(kafka, jobs)]
    assert {request.event_id for request in sent} == {replace(request, run=2).event_id for request in requests}
    assert len(sent) == {"before": 150, "after": 250}[moment]


def test_what_cannot_be_done_again_is_told_and_not_sent(
    kafka: str, database: str, object_store: S3ObjectStore, fresh_topic: TopicFactory
) -> None:
    """An upload that is over, a value that nobody has any more, a record without origin; an upload that is there goes."""
    topic, jobs, upload = fresh_topic(1, name="dlq"), fresh_topic(1, name="jobs"), uuid4()
    object_store.put(upload_key("acme", upload), b"x", content_type="audio/wav")
    there = new_job().request(source=Source(uri=f"upload://{upload}"))
    over = new_job().request(source=Source(uri=f"upload://{uuid4()}"))
    records = [dead_letter(TRANSCRIBERS, SERDE.encode(r), Origin(jobs, 0, 5), topic) for r in (there, over)]
    lost = dead_letter(TRANSCRIBERS, b"", Origin(jobs, 0, 5), topic)
    lost = replace(lost, value=None, headers={**lost.headers, "scribe-value-omitted": "900000"})
    publish_to(kafka, *records, lost, Record(topic, b"key", b"from nowhere"))
    with Publisher(KafkaSettings(kafka_bootstrap=kafka)) as publisher:
        report = send_again(database, object_store, publisher, letters_of(kafka, topic), jobs)
    assert report.reasons == {
        ReplayRejection.RECORDING_GONE: 1,
        ReplayRejection.VALUE_GONE: 1,
        ReplayRejection.NO_ORIGIN: 1,
    }
    assert [SERDE.decode(m.value(), JobRequested).job_id for m in read_topic(kafka, jobs)] == [there.job_id]


def test_a_job_that_was_given_up_is_done_in_its_second_run(
    kafka: str, database: str, object_store: S3ObjectStore, topic_admin: AdminClient
) -> None:
    """Its failed result stays the end of the first one."""
    group, names = create_topics(kafka)
    request = job(fake_outcome="transient", fake_until="1")
    _fail(group, request)
    with member(group):
        assert group.await_no_lag() == 0
        letters = letters_of(kafka, group.dlq)
        with Publisher(group.settings) as publisher:
            report = send_again(database, object_store, publisher, letters, group.jobs)
        assert [entry.run for entry in report.sent] == [2]
        results = group.await_results(1)
    assert [(r.run, r.outcome) for r in results] == [(2, Outcome.COMPLETED)]
    for deletion in topic_admin.delete_topics(names).values():
        deletion.result()


def _fail(group: GpuGroup, request: JobRequested) -> None:
    """What the group leaves of a job that it has given up."""
    origin = Origin(group.jobs, 0, 0)
    publish_to(
        group.bootstrap, dead_letter(TRANSCRIBERS, SERDE.encode(request), origin, group.dlq, "retries_exhausted")
    )


def test_a_result_that_persist_set_aside_ends_its_job_in_the_next_run(
    database: str, object_store: S3ObjectStore
) -> None:
    """The job has failed by that and was announced as failed; the run after is completed and announced again."""
    job_of, box = (
        new_job(webhook_url="https://acme.example/hook"),
        SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()})),
    )
    result = job_of.result()
    record = dead_letter(PERSIST, SERDE.encode(result), Origin("scribe.results", 0, 5))
    here = StoredRecord(Origin(dlq_topic(PERSIST), 0, 1), AT, record.key, record.value, record.headers)
    again = redriven(SERDE, letter_of(SERDE, PERSIST, here), uuid4(), 2, None, AT)

    async def run(opened: Database) -> list[str]:
        persist, webhooks = Persist(opened, object_store), Webhooks(opened, box, "https://scribe.example")
        await persist.requested(job_of.request())
        await webhooks.ended(result)
        await persist.on_dead_letter(result, Reason("internal", "internal", "as ordered"))
        next_run = SERDE.decode(again.value, JobResult)
        return [await persist.ended(result), await persist.ended(next_run), await webhooks.ended(next_run)]

    assert in_database(database, run) == [Effect.DUPLICATE, Effect.APPLIED, "scheduled"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT run, state FROM jobs").fetchall() == [(2, "completed")]
        assert connection.execute("SELECT count(*) FROM webhook_deliveries").fetchall() == [(2,)]


def test_what_strangers_wrote_is_shown_as_text(kafka: str, dlq: Dlq) -> None:
    """No markup that ends the table, nothing that the terminal obeys."""
    tenant = f"t{uuid4().hex}"
    request = new_job(tenant=tenant).request(metadata={"note": "\x1b[2J\x9b2J"})
    letter = dead_letter(TRANSCRIBERS, SERDE.encode(request), Origin("nowhere", 0, 0))
    publish_to(kafka, replace(letter, headers={**letter.headers, ERROR_MESSAGE: "[/bold] \x1b[2J\x9b2J"}))
    listed = dlq("list", "--tenant", tenant)
    assert "[/bold] [2J2J" in listed.stdout, listed.stderr
    [line] = lines(dlq("list", "--tenant", tenant, "--json"))
    shown = dlq("show", str(line["item"]))
    assert json.loads(shown.stdout)["value"]["metadata"]["note"] == "\x1b[2J\x9b2J"
    for text in (listed.stdout, shown.stdout):
        assert not {"\x1b", "\x9b"} & set(text)
