"""Committed offsets of a consumer group, read and changed from outside while none of its processes runs."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from producers.kafka.moved_leaders import ask_again, committed, watermarks
from producers.kafka.publisher import client_log, options_checked, translate
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.security import client_config

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """A group's committed offset of a partition, None if there is none, and the partition's first offset and end."""

    committed: int | None
    metadata: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A process in a group: its client id, its host, and its partitions."""

    client_id: str
    host: str
    partitions: frozenset[tuple[str, int]]


class GroupOffsets:
    """Offsets of one group; methods raise Outage while the broker is unavailable, Fatal when it refuses access."""

    def __init__(self, settings: KafkaSettings, group: str, consumer: Consumer) -> None:
        self._settings = settings
        self._group = group
        self._consumer = consumer

    @classmethod
    @contextmanager
    def open(cls, settings: KafkaSettings, group: str) -> Iterator["GroupOffsets"]:
        """Open a client for the broker of the settings, which never joins the group."""
        # a monitor that waits for transactions of a busy group would wait for ever
        options = {
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
        with options_checked():
            consumer = Consumer({**client_config(settings, "scribe-cli"), **options}, logger=client_log)
        with closing(consumer):
            yield cls(settings, group, consumer)

    def members(self) -> int:
        """The number of processes in the group at the moment."""
        return len(self.described())

    def described(self) -> tuple[GroupMember, ...]:
        """The processes in the group at the moment."""
        with _translated(), options_checked():
            admin = AdminClient({**client_config(self._settings, "scribe-cli"), "log_level": 0})
        with _translated():
            found = ask_again(
                lambda left: admin.describe_consumer_groups([self._group])[self._group].result(timeout=left), SECONDS
            )
        return tuple(
            GroupMember(
                member.client_id,
                member.host,
                frozenset((each.topic, each.partition) for each in member.assignment.topic_partitions),
            )
            for member in found.members
        )

    def committed(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, str]]:
        """Committed offset and metadata of each partition, without the partitions that have none."""
        if not places:
            return {}
        with _translated():
            found = committed(self._consumer, [TopicPartition(*place) for place in places], SECONDS)
        return {(each.topic, each.partition): (each.offset, each.metadata or "") for each in found if each.offset >= 0}

    def position(self, topic: str, partition: int) -> GroupPosition:
        """The group's position in an existing partition."""
        asked = TopicPartition(topic, partition)
        with _translated():
            low, high = watermarks(self._consumer, asked, SECONDS)
            (found,) = committed(self._consumer, [asked], SECONDS)
        return GroupPosition(found.offset if found.offset >= 0 else None, found.metadata or "", low, high)

    def commit(self, topic: str, partition: int, offset: int, metadata: str) -> None:
        """Set the committed offset; the broker refuses this while the group has members."""
        with _translated():
            self._consumer.commit(offsets=[TopicPartition(topic, partition, offset, metadata)], asynchronous=False)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise translate(error) from error
