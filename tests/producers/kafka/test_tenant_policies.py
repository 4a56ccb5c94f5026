"""Tenant policies on a real topic: the latest of each tenant, read to the end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from producers.kafka.tenant_policies import publish_policy, read_policies
from schemas.errors import Outage, Permanent
from schemas.events import TenantPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.wire.serde import Serde
from tests.conftest import TopicFactory
from tests.samples import AT

NOW = AT + timedelta(days=1)
POLICY = TenantPolicy(tenant="acme", retention_days={"audio": 7}, at=AT)


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings.model_validate({"kafka_bootstrap": kafka})


def test_the_latest_policy_of_each_tenant_is_read(settings: KafkaSettings, fresh_topic: TopicFactory) -> None:
    """Whatever else lies in the topic, and whatever its partitions."""
    topic = fresh_topic(3, name="tenants", config={"cleanup.policy": "compact"})
    assert read_policies(settings, NOW, topic) == {}
    later = replace(POLICY, retention_days={"audio": 1}, at=AT + timedelta(seconds=1))
    others = [replace(POLICY, tenant=f"tenant-{n}") for n in range(10)]
    for policy in (later, POLICY, *others):
        publish_policy(settings, policy, NOW, topic)
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    nonsense = replace(POLICY, retention_days={"sound": 1}, at=AT + timedelta(seconds=2))
    for value in (b"nonsense", None, Serde().encode(nonsense)):
        producer.produce(topic, value, b"acme")
    producer.flush()
    assert read_policies(settings, NOW, topic) == {"acme": later, **{other.tenant: other for other in others}}


def test_nonsense_is_not_published(settings: KafkaSettings) -> None:
    with pytest.raises(Permanent, match="unknown class of data `sound`"):
        publish_policy(settings, replace(POLICY, retention_days={"sound": 7}), NOW, "test.absent")


def test_a_topic_that_is_missing_is_told_with_what_to_do(settings: KafkaSettings) -> None:
    with pytest.raises(Outage, match="scribe topics apply"):
        read_policies(settings, NOW, "test.absent")
