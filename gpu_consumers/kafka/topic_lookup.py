"""Topic lookup: existence and ids of topics; the admin client is created at the first query."""

from collections.abc import Collection, Mapping
from functools import cached_property

from producers.kafka.admin import TopicAdmin
from schemas.settings.kafka import KafkaSettings


class TopicLookup:
    """Queries about topics; may be used from any thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def exists(self, topic: str) -> bool:
        """Whether the broker has a topic; raises Outage."""
        return topic in self._admin.partitions([topic])

    def ids(self, names: Collection[str]) -> Mapping[str, str]:
        """The ids of topics by their names; raises ScribeError."""
        return self._admin.ids(names)

    @cached_property
    def _admin(self) -> TopicAdmin:
        return TopicAdmin(self._settings)
