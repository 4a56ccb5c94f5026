"""Tenant policies in scribe.tenants: read to the end of the topic, changed by publishing a new one."""

from datetime import datetime

from producers.kafka.publisher import Publisher
from producers.kafka.topic_history import TopicHistory
from schemas.errors import Permanent, Poison
from schemas.events import TenantPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.tenants.policies import check_new_policy, check_policy
from schemas.topics import TENANTS
from schemas.wire.records import record_of
from schemas.wire.serde import Serde
from sink.records.serdes import serde_for

SECONDS = 15.0


def read_policies(settings: KafkaSettings, now: datetime, topic: str = TENANTS) -> dict[str, TenantPolicy]:
    """The policy of every tenant that has one: the latest that can be in force, by the same rule as the persist app."""
    found: dict[str, TenantPolicy] = {}
    serde = serde_for(settings)
    with TopicHistory.open(settings) as history:
        for record in history.records([topic]):
            policy = _readable(serde, record.value, now)
            if policy and (policy.tenant not in found or found[policy.tenant].at < policy.at):
                found[policy.tenant] = policy
    return found


def publish_policy(settings: KafkaSettings, policy: TenantPolicy, now: datetime, topic: str = TENANTS) -> None:
    """Publish a policy, which is in force once every process that needs it has read it; raises Permanent and Outage."""
    record = record_of(serde_for(settings), topic, check_new_policy(policy, now), "cli", now)
    with Publisher(settings, "scribe-cli", timeout=SECONDS) as publisher:
        publisher.publish(record)


def _readable(serde: Serde, value: bytes | None, now: datetime) -> TenantPolicy | None:
    try:
        return check_policy(serde.decode(value, TenantPolicy), now)
    except (Poison, Permanent):  # the persist app has told of it by a dead letter
        return None
