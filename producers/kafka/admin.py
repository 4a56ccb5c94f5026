"""Kafka administration: listing, creating, extending and changing topics."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package does not say that it exports them
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from producers.kafka.publisher import options_checked, translate
from producers.kafka.topic_plan import Alter, Create, Existing, Grow
from producers.messages.patience import waiting_for
from schemas.errors import Fatal, Outage, Permanent
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.connection import ConnectionTroubles, metadata
from sink.records.kafka.security import client_config

R = TypeVar("R")
SECONDS = 10.0
_IMPOSSIBLE = frozenset(
    {
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
    }
)


class TopicAdmin:
    """Reads and changes topics; methods raise Outage while the broker is unavailable, Fatal when it refuses access."""

    def __init__(self, settings: KafkaSettings) -> None:
        # kept for the life of this object: a client that is collected takes its unfinished futures with it
        # and silent: each call says itself what went wrong
        self._troubles = ConnectionTroubles()
        with options_checked():
            config = {**client_config(settings, "scribe-topics"), "log_level": 0, "error_cb": self._troubles.note}
            self._client = AdminClient(config)
        self._settings = settings

    def partitions(self, names: Iterable[str]) -> dict[str, int]:
        """The number of partitions of those named topics that the broker has."""
        return {name: count for name, (count, _) in self._sizes(names).items()}

    def _sizes(self, names: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Partitions, and the fewest replicas of one, of those named topics that the broker has."""
        with waiting_for(f"Kafka at {self._settings.kafka_bootstrap}"):
            topics = metadata(self._client, self._settings, self._troubles).topics
        found = {name: topics[name].partitions for name in names if name in topics}
        return {
            name: (len(each), min((len(p.replicas) for p in each.values()), default=1)) for name, each in found.items()
        }

    def ids(self, names: Iterable[str]) -> dict[str, str]:
        """The ids of the named topics, without those that cannot be read; a topic that was recreated has a new id."""
        try:
            asked = self._client.describe_topics(TopicCollection(list(names)), request_timeout=SECONDS)
        except KafkaException as error:
            raise translate(error) from error
        found: dict[str, str] = {}
        for name, future in asked.items():
            with suppress(Outage, Fatal):
                found[name] = str(_results({name: future}, str)[name].topic_id)
        return found

    def existing(self, names: Iterable[str]) -> dict[str, Existing]:
        """The named topics that the broker has, with their settings."""
        sizes = self._sizes(names)
        if not sizes:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in sizes]
        configs = _results(self._client.describe_configs(resources, request_timeout=SECONDS), lambda r: str(r.name))
        return {name: Existing(count, _values(configs[name]), replicas) for name, (count, replicas) in sizes.items()}

    def create(self, topics: Iterable[Create], replication_factor: int) -> None:
        """Create topics; an already existing one is no error. `replication_factor` -1: the broker's default."""
        new = [
            NewTopic(topic.name, topic.partitions, replication_factor, config=dict(topic.config)) for topic in topics
        ]
        if new:
            _results(self._client.create_topics(new, operation_timeout=SECONDS), str, KafkaError.TOPIC_ALREADY_EXISTS)

    def grow(self, topics: Iterable[Grow]) -> None:
        """Add partitions, which moves keys to other partitions."""
        new = [NewPartitions(topic.name, topic.wants) for topic in topics]
        if new:
            _results(self._client.create_partitions(new, operation_timeout=SECONDS), str)

    def alter(self, changes: Iterable[Alter]) -> None:
        """Change only these settings."""
        entries: dict[str, list[ConfigEntry]] = {}
        for change in changes:
            entry = ConfigEntry(change.setting, change.wants, incremental_operation=AlterConfigOpType.SET)
            entries.setdefault(change.name, []).append(entry)
        resources = [
            ConfigResource(ResourceType.TOPIC, name, incremental_configs=items) for name, items in entries.items()
        ]
        if resources:
            _results(self._client.incremental_alter_configs(resources, request_timeout=SECONDS), str)


def _results(futures: Mapping[Any, Future[R]], name: Callable[[Any], str], ignored: int | None = None) -> dict[str, R]:
    results = {}
    for subject, future in futures.items():
        try:
            results[name(subject)] = future.result(timeout=SECONDS + 10)
        except TimeoutError:
            raise Outage(f"Kafka ({name(subject)}): no answer within {SECONDS + 10:g} s") from None
        except KafkaException as error:
            if error.args[0].code() in _IMPOSSIBLE:
                raise Permanent("invalid_request", f"{name(subject)}: {error.args[0].str()}") from error
            if error.args[0].code() != ignored:
                raise translate(error, name(subject)) from error
    return results


def _values(entries: Mapping[str, ConfigEntry]) -> dict[str, str]:
    return {name: str(entry.value) for name, entry in entries.items() if entry.value is not None}
