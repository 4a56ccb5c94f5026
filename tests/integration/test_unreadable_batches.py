"""Batches that the broker takes and librdkafka cannot open: every reader goes on behind them and says which offsets were lost."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from gpu_consumers.kafka.topic_reader import BootstrappedTopicReader
from producers.kafka.topic_history import TopicHistory
from producers.replay.skip import SkipOrder, end_of, found, letter_of
from schemas.events import TenantPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.tenants.permissions import free_policy
from schemas.topics import TRANSCRIBERS
from schemas.wire.headers import UNREADABLE, Origin
from schemas.wire.records import Record
from tests.conftest import TopicFactory
from tests.integration.gpu import SERDE, create_topics, headers, job, member, publish_to
from tests.integration.raw_batches import send_raw, unopenable, zeros
from tests.integration.test_gpu_bad_input import publish_into
from tests.integration.waiting import wait_for
from tests.samples import AT


def test_a_gpu_group_sets_them_aside_and_delivers_what_lies_between(kafka: str) -> None:
    """One dead letter for each, which names all of its offsets; two lie next to each other."""
    group, _ = create_topics(kafka)
    batches = unopenable()
    good = [job() for _ in range(4)]
    publish_into(group, (0, good[0]))
    firsts = []
    for (_, data), request in zip(batches.values(), good[1:], strict=True):
        firsts += send_raw(kafka, group.jobs, data)
        publish_into(group, (0, request))
    adjacent = send_raw(kafka, group.jobs, *(data for _, data in batches.values()))
    with member(group) as running:
        results = group.await_results(4)
        assert group.await_no_lag() == 0
        assert running.alive
    assert {result.job_id for result in results} == {request.job_id for request in good}
    letters = [headers(letter) for letter in group.read(group.dlq)]
    lasts = [first + count - 1 for first, (count, _) in zip(firsts + adjacent, [*batches.values()] * 2, strict=True)]
    assert [letter["scribe-orig-offset"] for letter in letters] == [str(last) for last in lasts]
    assert {letter["scribe-orig-topic"] for letter in letters} == {group.jobs}
    assert all(letter[UNREADABLE] and letter["scribe-error-code"] == "undecodable" for letter in letters)
    assert f"offsets {firsts[1]} to {lasts[1]} cannot be read" in letters[1]["scribe-error-message"]
    assert [message.value() for message in group.read(group.dlq)] == [None] * 6


@pytest.fixture
def orders(kafka: str, fresh_topic: TopicFactory) -> str:
    """A topic of policies, each behind a batch that cannot be opened."""
    topic = fresh_topic(1, name="tenants")
    for number, (_, data) in enumerate(unopenable().values()):
        send_raw(kafka, topic, data)
        policy = replace(free_policy(f"acme{number}"), at=AT)
        publish_to(kafka, Record(topic, policy.tenant.encode(), SERDE.encode(policy)))
    return topic


def test_a_follower_knows_the_orders_behind_them(kafka: str, orders: str) -> None:
    taken: list[str] = []

    def take(policy: TenantPolicy) -> None:
        taken.append(policy.tenant)

    settings = KafkaSettings(kafka_bootstrap=kafka)
    with BootstrappedTopicReader(settings, SERDE, orders, TenantPolicy, take, "test") as follower:
        wait_for(lambda: follower.caught_up)
    assert taken == ["acme0", "acme1", "acme2"]


def test_the_command_line_reads_on_behind_them_and_can_skip_one(kafka: str, orders: str) -> None:
    with TopicHistory.open(KafkaSettings(kafka_bootstrap=kafka)) as history:
        records = list(history.records([orders]))
        assert [SERDE.decode(record.value, TenantPolicy).tenant for record in records] == ["acme0", "acme1", "acme2"]
        order = SkipOrder(TRANSCRIBERS, Origin(orders, 0, 5), "operator ann")
        skipped = found(history, order)
    assert skipped.unreadable is not None
    assert "offsets 2 to 12 cannot be read" in skipped.unreadable
    assert end_of(SERDE, skipped, AT) is None
    letter = letter_of(order, skipped)
    assert (letter.value, letter.headers["scribe-orig-offset"], letter.headers[UNREADABLE]) == (None, "5", "true")


def test_kilobytes_that_become_gigabytes_are_not_in_memory_at_once(kafka: str, fresh_topic: TopicFactory) -> None:
    """64 KB on the wire that become 1.2 GB, in batches that each can be opened."""
    topic = fresh_topic(1)
    send_raw(kafka, topic, *[zeros(4_000_000)] * 300)
    command = [sys.executable, "-m", "tests.integration.reading_process", kafka, topic]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert done["records"] == 300
    assert done["megabytes"] < 600
