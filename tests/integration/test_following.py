"""Policies on a real topic: all that stood there before the start, then each as it comes; nonsense changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.kafka import topic_reader
from gpu_consumers.kafka.topic_reader import BootstrappedTopicReader
from schemas.events import TenantPolicy
from schemas.tenants.permissions import free_policy
from schemas.wire.records import Record
from tests.conftest import TopicFactory
from tests.integration.gpu import SERDE, create_topics
from tests.integration.waiting import wait_for
from tests.samples import AT


def test_policies_are_known_before_the_work_and_follow_their_changes(
    kafka: str, fresh_topic: TopicFactory, caplog: pytest.LogCaptureFixture
) -> None:
    group, _ = create_topics(kafka)
    topic = fresh_topic(2, name="tenants", config={"cleanup.policy": "compact"})
    first = replace(free_policy("acme"), models=("turbo",), at=AT)
    later = replace(first, models=("large-v3",), at=AT + timedelta(seconds=1))
    future = replace(later, models=(), at=datetime.now(UTC) + timedelta(days=1))

    def send(*values: bytes) -> None:
        group.publish_records(*(Record(topic, b"acme", value) for value in values))

    send(SERDE.encode(first), b"nonsense", SERDE.encode(future))
    policies = Policies()
    with BootstrappedTopicReader(group.settings, SERDE, topic, TenantPolicy, policies.add, "test") as follower:
        wait_for(lambda: follower.caught_up)
        assert policies.in_force("acme") == first
        send(SERDE.encode(later))
        wait_for(lambda: policies.in_force("acme") == later)
    assert caplog.text.count("is left out") == 2


def test_an_order_that_breaks_its_reader_does_not_keep_those_behind_it_from_being_known(
    kafka: str, fresh_topic: TopicFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_reader, "AGAIN_SECONDS", 0.05)
    group, _ = create_topics(kafka)
    topic = fresh_topic(1, name="tenants", config={"cleanup.policy": "compact"})
    orders = [replace(free_policy(tenant), at=AT) for tenant in ("breaks", "acme")]
    taken: list[str] = []

    def take(policy: TenantPolicy) -> None:
        taken.append(policy.tenant)
        if policy.tenant == "breaks":
            raise AttributeError("nobody thought of that")

    group.publish_records(*(Record(topic, order.tenant.encode(), SERDE.encode(order)) for order in orders))
    with BootstrappedTopicReader(group.settings, SERDE, topic, TenantPolicy, take, "test") as follower:
        wait_for(lambda: follower.caught_up)
    assert taken == ["breaks"] * topic_reader.MOST_BREAKS + ["acme"]
