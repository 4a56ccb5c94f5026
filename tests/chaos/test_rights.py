"""The whole service over TLS and SCRAM, a user for each process, with the rights of the table and no others."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from confluent_kafka import Producer
from rich.console import Console

from deploy.local.ports import HOST
from deploy.local.service import COMMANDS, ServiceProcesses
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from producers.kafka.admin import TopicAdmin
from producers.kafka.topic_plan import Create
from schemas.errors import Fatal
from schemas.settings.kafka import KafkaSettings
from schemas.topics import (
    ENHANCE,
    ENHANCEMENTS,
    JOBS,
    JOBS_EXPRESS,
    RESULTS,
    TOPICS,
    TRANSCRIBERS,
    TRANSCRIPTS,
    WEBHOOKS,
    dlq_topic,
)
from sink.records.kafka.access import missing_rights
from sink.records.kafka.rights import USERS, Grant, Operation, Resource, Right, grants, transactional_prefix
from tests.chaos.evidence import ODD
from tests.chaos.parts import Parts
from tests.chaos.places import PROCESSES
from tests.chaos.plan import Plan, Shares
from tests.chaos.report import as_json
from tests.chaos.run import Run
from tests.chaos.secure_stack import SecureStack, used
from tests.integration.faust_process import until

pytestmark = pytest.mark.long
OURS = ("relay", "gpu-transcribe", "gpu-diarize", "persist", "enhance", "webhooks")
WANTED = grants(processes=OURS)
THREE_RETRIES = {"fake-seconds": "0.01", "fake-outcome": "transient", "fake-until": "4"}
ELSEWHERE = {
    # the fake stages read one topic of jobs, and no replay of these asks for results elsewhere:
    # tests/system/test_rights.py has the real ones
    Grant("relay", Right(Resource.TOPIC, JOBS_EXPRESS, Operation.WRITE)),
    Grant("gpu", Right(Resource.TOPIC, JOBS_EXPRESS, Operation.READ)),
    Grant("gpu", Right(Resource.TOPIC, f"{RESULTS}.", Operation.WRITE, prefixed=True)),
}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureStack]:
    with SecureStack(tmp_path_factory.mktemp("secure") / "stack") as stack:
        stack.give(*grants())
        yield stack


def retried_at_every_step(plan: Plan) -> Plan:
    """The same plan, with a job for each stage that fails three times."""
    whole = [job for job in plan.planned if job.outcome == "completed" and job.cancel is None]
    heard = next(job.number for job in whole if not job.diarize)
    told_apart = next(job.number for job in whole if job.diarize)
    return replace(plan, orders={heard: THREE_RETRIES, told_apart: {**THREE_RETRIES, "fake-stage": "diarizing"}})


def odd_records(parts: Parts) -> None:
    """What no job of the plan brings: records that nobody can read, and what operators put into the outbox."""
    producer = Producer({"bootstrap.servers": parts.stack.kafka_bootstrap})
    for topic in (TRANSCRIPTS, RESULTS):
        producer.produce(topic, b"no event", ODD)
    producer.flush(30)
    with psycopg.connect(parts.dsn, autocommit=True) as connection:
        for topic in (ENHANCEMENTS, RESULTS):
            connection.execute(
                "INSERT INTO outbox (topic, key, value, headers) VALUES (%s, %s, 'no event', '{}')", [topic, ODD]
            )


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_the_rights_of_the_table_are_enough_and_each_of_them_is_used(secure: SecureStack, tmp_path: Path) -> None:
    ends = {"transient": 0.1, "permanent": 0.05, "undecodable": 0.05, "large": 0.03}
    shares = Shares(seconds=0.2, diarize=0.7, **ends, rest=0.2, cancel=0.05, rest_cancel=0.3)
    plan = retried_at_every_step(Plan(seed=13, jobs=40, seconds=6, shares=shares))
    with Path(os.devnull).open("w") as nowhere:
        result = Run(
            plan,
            secure,
            tmp_path,
            "scribe",
            Console(file=nowhere),
            processes=(*PROCESSES, "enhance"),
            prepare=odd_records,
            extra={"SCRIBE_TIME_SCALE": "0.001"},
        ).done()
    assert result.broken == {}, as_json(result)
    allowed, denied = secure.asked()
    assert not denied
    unused = set(WANTED) - used(allowed, WANTED)
    assert unused == ELSEWHERE, sorted(map(str, unused))


LITERAL = [grant for grant in grants(processes=(*OURS, "upstream")) if not grant.right.prefixed]
LACKING = {
    "relay": Right(Resource.TOPIC, JOBS, Operation.WRITE),
    "gpu": Right(Resource.GROUP, TRANSCRIBERS, Operation.READ),
    "persist": Right(Resource.TOPIC, RESULTS, Operation.READ),
    "enhance": Right(Resource.TOPIC, dlq_topic(ENHANCE), Operation.WRITE),
    "webhooks": Right(Resource.GROUP, WEBHOOKS, Operation.READ),
}


@pytest.fixture(scope="module")
def topics(secure: SecureStack) -> SecureStack:
    """The topics are there; the test before has made them, unless it was left out."""
    admin = TopicAdmin(KafkaSettings(kafka_bootstrap=secure.kafka_bootstrap))
    admin.create((Create(topic.name, 1, topic.config) for topic in TOPICS.values()), -1)
    return secure


@pytest.mark.kafka
def test_each_right_that_is_taken_away_is_named(topics: SecureStack) -> None:
    """Every one of the table that the broker can be asked about, by the process that needs it."""
    assert not any(missing_rights(topics.user_settings(user), _rights_of(user)) for user in set(USERS.values()))
    for grant in LITERAL:
        topics.take_away(grant)
        try:
            assert missing_rights(topics.user_settings(grant.user), _rights_of(grant.user)) == (grant.right,)
        finally:
            topics.give(grant)


@pytest.mark.kafka
def test_a_transactional_id_that_is_not_given_is_named(topics: SecureStack) -> None:
    prefix = transactional_prefix(TRANSCRIBERS)
    grant = Grant("gpu", Right(Resource.TRANSACTIONAL_ID, prefix, Operation.WRITE, prefixed=True))
    topics.take_away(grant)
    try:
        with pytest.raises(Fatal, match=r"refuses access: .*[Tt]ransactional.*`scribe topics acls`"):
            TransactionalProducer(topics.user_settings("gpu"), f"{prefix}test").open()
    finally:
        topics.give(grant)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_a_process_without_a_right_waits_and_says_which(topics: SecureStack, tmp_path: Path) -> None:
    """One right less each: nobody ends, nobody is ready, and all go on once it is given."""
    own = {name: topics.process_environment(name) for name in LACKING}
    fake = {**COMMANDS, "gpu": ("gpu_consumers", "--stages", "transcribe", "--fake")}
    service = ServiceProcesses(topics.environment(), tmp_path, tuple(LACKING), fake, own=own)
    lacking = [Grant(name, right) for name, right in LACKING.items()]
    topics.take_away(*lacking)
    try:
        service.start()
        first = {name: identity.pid for name, identity in service.running.items()}
        for name, right in LACKING.items():
            words = f"Kafka does not give user '{name}' the right to {right}: `scribe topics acls --process"
            until(f"{name}: {words}", lambda name=name, words=words: words in _said(service, name))  # type: ignore[misc]
            assert words in service.log(name).read_text()
        topics.give(*lacking)
        service.wait_ready()
        assert {name: identity.pid for name, identity in service.running.items()} == first
        assert all(identity.process() for identity in service.running.values())
    finally:
        topics.give(*lacking)
        service.stop()


def _said(service: ServiceProcesses, name: str) -> str:
    """What /readyz says of a process that is not ready."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://{HOST}:{service.chosen[name]}/readyz", timeout=2, trust_env=False).text
    return ""


def _rights_of(user: str) -> list[Right]:
    return [grant.right for grant in grants(processes=(*OURS, "upstream")) if grant.user == user]
