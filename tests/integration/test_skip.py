"""`scribe dlq skip`: groups get past records that they cannot get past by themselves, running or stopped."""

import asyncio
import signal
from datetime import UTC, datetime

import psycopg
import pytest

from producers.kafka.group_offsets import GroupOffsets
from producers.kafka.publisher import Publisher
from producers.kafka.topic_history import TopicHistory
from producers.replay.skip import SkipOrder, check_stopped, pass_over
from schemas.errors import Rejected
from schemas.events import Outcome
from schemas.settings.stores import PostgresSettings
from schemas.topics import JOBS
from schemas.wire.headers import Origin
from schemas.wire.records import record_of
from sink.postgres.database import Database
from sink.records import skips
from tests.integration.faust_process import DEADLINE, committed, until
from tests.integration.gpu import SERDE, create_topics, headers, job, member, publish_to, read_topic
from tests.integration.test_dead_letters import Dlq, dlq  # noqa: F401 - a fixture
from tests.integration.test_faust_service import Service, service  # noqa: F401 - a fixture
from tests.streams.jobs import new_job

BY = "operator ann"


def ordered(dsn: str, group: str, place: Origin) -> None:
    async def order() -> None:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
            await database.run(lambda connection: skips.order(connection, group, place, BY))

    asyncio.run(order())


def passed(service: Service, topic: str, offset: int) -> bool:  # noqa: F811
    return committed(service.stack.kafka_bootstrap, f"p.{service.topics['jobs']}", service.topics[topic]) == offset


def test_a_faust_app_passes_over_what_it_waits_for_and_what_it_has_not_begun(service: Service) -> None:  # noqa: F811
    """A request while the process runs; a result before it starts, which ends its job as failed."""
    group, stuck, job = f"p.{service.topics['jobs']}", new_job(), new_job()
    service.send("results", job.result())
    with service.persist(FAULT="none") as process:  # the tables
        until("it works", lambda: service.states() == {"completed": 1})
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    late = new_job()
    service.send("results", late.result())
    ordered(service.dsn, group, Origin(service.topics["results"], 0, 1))
    service.send("jobs", stuck.request(recording_id="away"), late.request())
    with service.persist(FAULT="deadly-records") as process:
        until("it waits", lambda: "waiting: on purpose" in (service.folder / "processes.log").read_text())
        ordered(service.dsn, group, Origin(service.topics["jobs"], 0, 0))
        until("it is passed over", lambda: passed(service, "jobs", 2) and passed(service, "results", 2))
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    found = {(h["scribe-orig-topic"], h["scribe-error-code"], h["scribe-error-message"]) for _, h in service.dead()}
    assert found == {(service.topics[name], "skipped", f"passed over by {BY}") for name in ("jobs", "results")}
    assert service.states() == {"completed": 1, "failed": 1}
    assert service.rows("SELECT count(*) FROM skipped_records WHERE done_at IS NULL") == [(0,)]


def test_a_stopped_gpu_group_passes_over_a_record_in_the_midst_of_others(kafka: str) -> None:
    group, _ = create_topics(kafka)
    hanging, good = job(fake_seconds="600"), [job() for _ in range(6)]
    group.publish(*good[:3], hanging, *good[3:])
    place = next(
        Origin(group.jobs, message.partition() or 0, message.offset() or 0)
        for message in group.read(group.jobs)
        if SERDE.decode_any(message.value()) == hanging
    )
    order = SkipOrder(group.name, place, BY)
    with (
        GroupOffsets.open(group.settings, group.name) as offsets,
        TopicHistory.open(group.settings) as history,
        Publisher(group.settings) as publisher,
    ):
        with member(group, drain_seconds=0.1) as first:
            assert len(group.await_results(6)) == 6
            with pytest.raises(Rejected, match="stop them first"):
                check_stopped(offsets, order)
            assert first.stop() == 0
        pass_over(offsets, history, publisher, SERDE, order, datetime.now(UTC), group.results)
        with pytest.raises(Rejected, match="has passed"):
            pass_over(offsets, history, publisher, SERDE, order, datetime.now(UTC), group.results)
    with member(group):
        assert group.await_no_lag() == 0
    results = {result.job_id: result for result in group.job_results()}
    assert len(results) == len(group.job_results()) == 7
    assert results.pop(hanging.job_id).outcome is Outcome.FAILED
    assert {result.outcome for result in results.values()} == {Outcome.COMPLETED}
    (letter,) = group.read(group.dlq)
    assert headers(letter)["scribe-error-code"] == "skipped"


def test_the_command_says_what_it_will_do_and_what_cannot_be_done(kafka: str, dlq: Dlq, database: str) -> None:  # noqa: F811
    publish_to(kafka, record_of(SERDE, JOBS, job(), "test", datetime.now(UTC)))
    last = max(read_topic(kafka, JOBS), key=lambda message: message.timestamp()[1])
    place = f"{JOBS}/{last.partition()}/{last.offset()}"
    refusals = {
        ("nobody", place): "unknown group `nobody`",
        ("persist", f"{JOBS}/999/0"): "partitions, from 0 on",
        ("persist", f"{JOBS}/{last.partition()}/99999999"): "no such record yet",
        ("enhance", place): "it reads scribe.results",
    }
    for words, reason in refusals.items():
        done = dlq("skip", *words)
        assert (done.returncode, reason in done.stderr) == (2, True), done
    assert "would set it aside" in dlq("skip", "persist", place, "--dry-run").stdout
    assert "would begin behind it" in dlq("skip", "transcribers", place, "--dry-run").stdout
    assert rows(database) == []
    assert "sets it aside within seconds" in dlq("skip", "persist", place).stdout
    assert "was told so by operator" in dlq("skip", "persist", place).stdout
    assert rows(database) == [("scribe.persist", last.offset(), None)]


def rows(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT group_id, record_offset, done_at FROM skipped_records").fetchall()
