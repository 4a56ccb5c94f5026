"""Which jobs a replay means, and where its results may go."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from hypothesis import given
from hypothesis import strategies as st

from producers.kafka.admin import TopicAdmin
from producers.kafka.publisher import Publisher
from producers.kafka.topic_history import TopicHistory
from producers.replay.selection import ReplayFilter, check_model, check_results, read
from schemas.errors import Rejected
from schemas.events import JobRequested
from schemas.models.registry import load_registry
from schemas.settings.kafka import KafkaSettings
from schemas.topics import TOPICS, may_take_results
from schemas.wire.headers import ONLY_FOR, RESULTS_TO
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from tests.conftest import TopicFactory, create
from tests.strategies import requests, texts, times
from tests.streams.jobs import new_job

SERDE = Serde()


@given(requests(), times, times, times, texts)
def test_a_filter_takes_its_own_value_and_no_other(
    request: JobRequested, at: datetime, since: datetime, until: datetime, tenant: str
) -> None:
    assert ReplayFilter().matches(request, at)
    assert ReplayFilter(tenant=tenant).matches(request, at) == (request.tenant == tenant)
    assert ReplayFilter(jobs=frozenset({request.job_id})).matches(request, at)
    assert not ReplayFilter(jobs=frozenset({uuid4()})).matches(request, at)
    assert not ReplayFilter(jobs=frozenset()).matches(request, at)
    assert ReplayFilter(since=since, until=until).matches(request, at) == (since <= at < until)


@given(st.text() | st.sampled_from(sorted(TOPICS)))
def test_results_go_to_no_topic_of_the_service_or_of_a_stranger(name: str) -> None:
    assert not may_take_results(name)
    assert may_take_results("scribe.results.trial_2-b")
    assert not may_take_results(f"scribe.results.{'x' * 101}")


def test_each_job_is_found_once_with_the_request_of_its_latest_run(kafka: str, fresh_topic: TopicFactory) -> None:
    """Also of two tenants under one id; runs for one group, or with results elsewhere, are not the job."""
    topic, settings = fresh_topic(3, name="jobs"), KafkaSettings(kafka_bootstrap=kafka)
    job, same_id, other = new_job(), new_job(tenant="globex"), new_job(tenant="globex")
    same_id = replace(same_id, job_id=job.job_id)
    sent = [job.request(2), job.request(1), same_id.request(1), other.request(1)]
    records = [Record(topic, str(n).encode(), SERDE.encode(request)) for n, request in enumerate(sent)]
    for header in (ONLY_FOR, RESULTS_TO):
        records.append(Record(topic, b"side", SERDE.encode(job.request(7)), {header: "x"}))
    with Publisher(settings) as publisher:
        publisher.publish(*records, Record(topic, b"bad", b"nonsense"), Record(topic, b"bad", None))
    with TopicHistory.open(settings) as history:
        found = read(history, SERDE, ReplayFilter(), [topic])
        assert {(each.request.tenant, each.request.job_id, each.request.run) for each in found} == {
            ("acme", job.job_id, 2),
            ("globex", job.job_id, 1),
            ("globex", other.job_id, 1),
        }
        assert [each.request.job_id for each in read(history, SERDE, ReplayFilter(tenant="acme"), [topic])] == [
            job.job_id
        ]
        later = ReplayFilter(since=datetime.now(UTC) + timedelta(minutes=1))
        assert read(history, SERDE, later, [topic]) == []


@pytest.fixture
def trial(topic_admin: AdminClient) -> Iterator[str]:
    name = f"scribe.results.test-{uuid4().hex[:8]}"
    config = {"retention.ms": "60000", "cleanup.policy": "delete"}
    create(topic_admin, NewTopic(name, 1, 1, config=config))
    yield name
    topic_admin.delete_topics([name])[name].result()


def test_results_go_only_to_topics_that_are_there_and_forget_in_time(kafka: str, trial: str) -> None:
    """A record of an erased job must not stay longer than its evidence says."""
    admin = TopicAdmin(KafkaSettings(kafka_bootstrap=kafka))
    assert check_results(admin, trial) == trial
    for name, words in (("scribe.results.absent", "make it first"), ("scribe.jobs", "is no topic such as")):
        with pytest.raises(Rejected, match=words):
            check_results(admin, name)


def test_results_that_would_stay_for_ever_are_refused(kafka: str, topic_admin: AdminClient) -> None:
    name = f"scribe.results.test-{uuid4().hex[:8]}"
    create(topic_admin, NewTopic(name, 1, 1, config={"retention.ms": "-1"}))
    with pytest.raises(Rejected, match="30 days at most"):
        check_results(TopicAdmin(KafkaSettings(kafka_bootstrap=kafka)), name)
    topic_admin.delete_topics([name])[name].result()


def test_a_model_that_nobody_knows_is_refused_before_any_job_is_touched() -> None:
    check_model(load_registry(), load_registry().default)
    with pytest.raises(Rejected, match="larg-v3"):
        check_model(load_registry(), "larg-v3")
