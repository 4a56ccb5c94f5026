"""The topic table is complete and consistent."""

from schemas.events import EVENTS
from schemas.retries.schedules import LADDER
from schemas.topics import GROUPS, READS, TENANTS, TOPICS, dlq_topic, is_retry_topic, retry_topic


def test_every_event_flows_somewhere() -> None:
    """No event without a topic, no topic with an unknown event."""
    assert {topic.event for topic in TOPICS.values()} - {None} == {cls.KIND for cls in EVENTS}


def test_every_group_has_its_dead_letters_and_gpu_groups_their_ladder() -> None:
    """What the code sends to exists."""
    assert all(dlq_topic(group) in TOPICS for group in GROUPS)
    assert all(retry_topic(group, step) in TOPICS for group in GROUPS[:2] for step in LADDER.steps)


def test_compacted_topics_say_so() -> None:
    """Policies must outlive any retention; orders need not."""
    assert TOPICS["scribe.tenants"].config == {"cleanup.policy": "compact", "compression.type": "producer"}
    assert TOPICS["scribe.control"].config["cleanup.policy"] == "compact,delete"
    assert TOPICS["scribe.results"].config["retention.ms"] == str(30 * 86_400_000)


def test_the_table_names_every_group_that_reads_a_topic() -> None:
    """Policies are read by processes, not by groups."""
    for topic in TOPICS.values():
        if topic.event and topic.name != TENANTS:
            named = {f"scribe.{name}" for name in topic.read_by.split(", ")} & set(GROUPS)
            assert named == {group for group in GROUPS if topic.name in READS[group]}, topic.name


def test_only_steps_of_a_ladder_are_retry_topics() -> None:
    """For what their headers say of an origin is believed."""
    assert {name for name in TOPICS if is_retry_topic(name)} == {
        retry_topic(group, step) for group in GROUPS[:2] for step in LADDER.steps
    }
