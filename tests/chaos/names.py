"""Topics, groups and services of a run of its own: the same code under another prefix, on a stack that many runs share."""

from dataclasses import replace

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import schemas.topics

_OWN = "scribe."


def renamed(name: str, prefix: str) -> str:
    """A name of the service as the run with this prefix uses it."""
    return prefix + name.removeprefix("scribe") if name.startswith(_OWN) else name


def take(prefix: str) -> None:
    """Rename all topics and groups of this process; to be called before anything else of the service is imported."""
    for constant, value in vars(schemas.topics).items():
        if isinstance(value, str) and value.startswith(_OWN) and constant.isupper():
            setattr(schemas.topics, constant, renamed(value, prefix))
    topics = [replace(topic, name=renamed(topic.name, prefix)) for topic in schemas.topics.TOPICS.values()]
    schemas.topics.TOPICS = {topic.name: topic for topic in topics}
    reads = {
        renamed(group, prefix): tuple(renamed(topic, prefix) for topic in read)
        for group, read in schemas.topics.READS.items()
    }
    schemas.topics.READS = reads
    schemas.topics.GROUPS = tuple(renamed(group, prefix) for group in schemas.topics.GROUPS)  # type: ignore[assignment]


def create(bootstrap: str, prefix: str, partitions: int) -> None:
    """Make the topics of a run, those that are not there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    there = admin.list_topics(timeout=90).topics
    new = [
        NewTopic(name, partitions, -1, config=topic.config)
        for topic in schemas.topics.TOPICS.values()
        if (name := renamed(topic.name, prefix)) not in there
    ]
    if not new:
        return
    for future in admin.create_topics(new, operation_timeout=90).values():
        future.result()
