"""Tenant policies as scribe.tenants has them: read to its end, changed by publishing the next one."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from producers.admin import TopicAdmin
from producers.publisher import Publisher, client_config, options_checked, translate
from schemas.errors import Outage, Permanent, Poison
from schemas.events import TenantPolicy
from schemas.policies import check_policy
from schemas.records import record_of
from schemas.serde import Serde
from schemas.settings import KafkaSettings
from schemas.topics import TENANTS
from sink.schema_registry import serde_for

SECONDS = 15.0


def read_policies(settings: KafkaSettings, now: datetime, topic: str = TENANTS) -> dict[str, TenantPolicy]:
    """The policy of every tenant that has one: the latest that can be in force, as the persist app decides it too."""
    found: dict[str, TenantPolicy] = {}
    serde = serde_for(settings)
    for value in _values(settings, topic):
        policy = _readable(serde, value, now)
        if policy and (policy.tenant not in found or found[policy.tenant].at < policy.at):
            found[policy.tenant] = policy
    return found


def publish_policy(settings: KafkaSettings, policy: TenantPolicy, now: datetime, topic: str = TENANTS) -> None:
    """Put a policy into force, once every process that needs it has read it; raises Permanent and Outage."""
    record = record_of(serde_for(settings), topic, check_policy(policy, now), "cli", now)
    with Publisher(settings, "scribe-cli", timeout=SECONDS) as publisher:
        publisher.publish(record)


def _readable(serde: Serde, value: bytes, now: datetime) -> TenantPolicy | None:
    try:
        return check_policy(serde.decode(value, TenantPolicy), now)
    except (Poison, Permanent):  # the persist app has told of it by a dead letter
        return None


def _values(settings: KafkaSettings, topic: str) -> Iterator[bytes]:
    """The value of every record of a topic up to its end as it is now."""
    partitions = TopicAdmin(settings).partitions([topic]).get(topic)
    if not partitions:
        raise Outage(f"Kafka has no topic {topic}; create it with `scribe topics apply`")
    options = {
        # librdkafka wants a name; no member ever joins it and nothing is committed
        "group.id": "scribe-cli",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "log_level": 0,
    }
    with options_checked():
        consumer = Consumer({**client_config(settings, "scribe-cli"), **options})
    with closing(consumer):
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
        yield from _to_the_end(consumer, topic, partitions)


def _to_the_end(consumer: Consumer, topic: str, partitions: int) -> Iterator[bytes]:
    open_ones = set(range(partitions))
    deadline = time.monotonic() + SECONDS
    while open_ones:
        if time.monotonic() > deadline:
            raise Outage(f"Kafka: the end of {topic} was not reached within {SECONDS:g} s")
        for message in consumer.consume(500, timeout=0.2):
            error = message.error()
            if error is None and (value := message.value()):
                yield value
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                open_ones.discard(message.partition())
            elif error is not None and (error.fatal() or not error.retriable()):
                raise translate(KafkaException(error), topic)
