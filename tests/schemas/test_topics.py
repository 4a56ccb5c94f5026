"""The topic table is complete and consistent."""

from schemas.events import EVENTS
from schemas.topics import GROUPS, RETRY_DELAYS, TOPICS, dlq_topic, retry_topic


def test_every_event_flows_somewhere() -> None:
    """No event without a topic, no topic with an unknown event."""
    assert {topic.event for topic in TOPICS.values()} - {None} == {cls.KIND for cls in EVENTS}


def test_every_group_has_its_dead_letters_and_gpu_groups_their_ladder() -> None:
    """What the code sends to exists."""
    assert all(dlq_topic(group) in TOPICS for group in GROUPS)
    assert all(retry_topic(group, step) in TOPICS for group in GROUPS[:2] for step in RETRY_DELAYS)


def test_compacted_topics_say_so() -> None:
    """Policies must outlive any retention; orders need not."""
    assert TOPICS["scribe.tenants"].config == {"cleanup.policy": "compact", "compression.type": "producer"}
    assert TOPICS["scribe.control"].config["cleanup.policy"] == "compact,delete"
    assert TOPICS["scribe.results"].config["retention.ms"] == str(30 * 86_400_000)
