"""The plan for a broker's topics: what it creates, what it refuses to touch, and that it comes to rest."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from producers.kafka.topic_plan import Alter, Create, Existing, Grow, Plan, grouped, plan, retention_mistakes
from schemas.topics import DAY_MS, JOBS, PROGRESS, RESULTS, TOPICS

WANTED = tuple(TOPICS.values())
settings = st.fixed_dictionaries(
    {},
    optional={
        "cleanup.policy": st.sampled_from(["delete", "compact", "compact,delete", "delete,compact"]),
        "retention.ms": st.sampled_from(["-1", "1000", str(14 * DAY_MS), str(30 * DAY_MS)]),
        "compression.type": st.sampled_from(["producer", "gzip"]),
        "min.insync.replicas": st.just("2"),
    },
)
brokers = st.dictionaries(
    st.sampled_from(sorted(TOPICS)), st.builds(Existing, partitions=st.integers(1, 20), config=settings)
)


def carried_out(found: Plan, existing: dict[str, Existing]) -> dict[str, Existing]:
    """The broker after the plan."""
    after = {**existing, **{topic.name: Existing(topic.partitions, topic.config) for topic in found.create}}
    for grow in (*found.grow, *found.small):
        after[grow.name] = replace(after[grow.name], partitions=grow.wants)
    for alter in found.alter:
        there = after[alter.name]
        after[alter.name] = replace(there, config={**there.config, alter.setting: alter.wants})
    return after


@given(brokers, st.none() | st.integers(1, 30))
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    existing: dict[str, Existing], partitions: int | None
) -> None:
    after = carried_out(plan(WANTED, existing, partitions), existing)
    again = plan(WANTED, after, partitions)
    assert (again.is_done, again.small) == (True, ())


@given(brokers, st.none() | st.integers(1, 30))
def test_no_topic_shrinks_or_loses_a_setting_of_the_operator(
    existing: dict[str, Existing], partitions: int | None
) -> None:
    after = carried_out(plan(WANTED, existing, partitions), existing)
    for name, there in existing.items():
        assert after[name].partitions >= there.partitions
        assert there.config.get("min.insync.replicas") == after[name].config.get("min.insync.replicas")


@given(brokers)
def test_every_topic_is_created_different_or_the_same(existing: dict[str, Existing]) -> None:
    found = plan(WANTED, existing)
    created, differ = {topic.name for topic in found.create}, {item.name for item in found.differences}
    assert created == TOPICS.keys() - existing.keys()
    assert created | differ | {topic.name for topic in found.small} | set(found.same) == TOPICS.keys()
    assert not differ & set(found.same)


def test_what_differs_is_said_in_words() -> None:
    topic = TOPICS[JOBS]
    there = {JOBS: Existing(4, {**topic.config, "retention.ms": "1000"})}
    found = plan([topic], there, 12)
    assert found.differences == (
        Grow(JOBS, 4, 12),
        Alter(JOBS, "retention.ms", "1000", str(14 * DAY_MS)),
    )
    assert [str(item) for item in found.differences] == [
        "scribe.jobs: 4 partitions, wanted 12",
        f"scribe.jobs: retention.ms is 1000, wanted {14 * DAY_MS}",
    ]


def test_fewer_partitions_alone_are_no_difference() -> None:
    """Unless somebody demands a number."""
    topic = TOPICS[JOBS]
    there = {JOBS: Existing(4, topic.config)}
    found = plan([topic], there)
    assert (found.is_done, found.small, found.same) == (True, (Grow(JOBS, 4, 12),), ())
    assert plan([topic], there, 12).differences == (Grow(JOBS, 4, 12),)


def test_a_smaller_broker_asks_for_its_own_number_of_partitions() -> None:
    topic = TOPICS[JOBS]
    assert plan([topic], {}, 2).create == (Create(JOBS, 2, topic.config),)
    assert plan([topic], {JOBS: Existing(4, topic.config)}, 2).is_done


def test_objects_must_live_as_long_as_the_records_that_name_them() -> None:
    topics = [TOPICS[RESULTS], TOPICS[PROGRESS]]
    assert retention_mistakes(topics, {}, None) == ()
    assert retention_mistakes(topics, {}, 30) == ()
    assert retention_mistakes(topics, {}, 29) == (
        "scribe.results keeps records for 30 days, the object store keeps what they name for 29",
    )
    for_ever = {RESULTS: Existing(6, {"retention.ms": "-1"})}
    assert "for inf days" in retention_mistakes(topics, for_ever, 3650)[0]


@given(brokers, st.none() | st.integers(1, 30))
def test_a_difference_is_told_once_with_every_topic_that_has_it(
    existing: dict[str, Existing], partitions: int | None
) -> None:
    changes = plan(WANTED, existing, partitions).differences
    told = grouped(changes)
    assert sorted(f"{name}: {what}" for what, names in told.items() for name in names) == sorted(map(str, changes))


def test_replicas_that_a_lost_broker_would_take_along_are_named() -> None:
    """Three replicas of which one confirms are as good as one; one replica alone is a choice."""
    topic = TOPICS[JOBS]
    three = Existing(topic.partitions, {**topic.config, "min.insync.replicas": "1"}, replicas=3)
    assert plan([topic], {JOBS: three}).alter == (Alter(JOBS, "min.insync.replicas", "1", "2"),)
    assert plan([topic], {JOBS: replace(three, config={**topic.config, "min.insync.replicas": "2"})}).is_done
    assert plan([topic], {JOBS: replace(three, replicas=1)}).is_done
