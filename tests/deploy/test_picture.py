"""The picture of the README shows every process, group and topic of a job's way, and no arrow that the code has not."""

from deploy.picture import AROUND, BESIDE, OTHERS, PROCESSES, arrows_of_topics, nodes_of_topics, picture
from schemas import topics
from schemas.metrics import COUNTED_BY
from schemas.topics import GROUPS, READS, TOPICS

ARROWS = [*arrows_of_topics(), *AROUND]


def test_every_process_is_drawn() -> None:
    """By its groups, if it has several."""
    drawn = {name.partition(" ")[0].removeprefix("scribe.") for name in PROCESSES}
    assert {"scribe-gpu" if name in ("transcribers", "diarizers") else name for name in drawn} == set(COUNTED_BY)
    assert set(GROUPS) <= set(PROCESSES)


def test_every_event_is_drawn_or_told_of_beside() -> None:
    drawn = {topic.name for group in nodes_of_topics().values() for topic in group}
    assert drawn | BESIDE == {topic.name for topic in TOPICS.values() if topic.event}
    assert not drawn & BESIDE


def test_topics_that_share_a_node_have_the_same_readers_and_writers() -> None:
    for first, *others in nodes_of_topics().values():
        assert all((t.written_by, t.read_by) == (first.written_by, first.read_by) for t in others)


def test_a_group_gets_what_it_reads() -> None:
    """But for the requests of which persist makes rows beside a job's way."""
    for group in GROUPS:
        read = {name for name in nodes_of_topics() if name in READS[group]}
        arrows = {arrow.start for arrow in ARROWS if arrow.end == group and arrow.start in TOPICS}
        assert arrows == (read - {topics.JOBS} if group == topics.PERSIST else read)


def test_every_arrow_joins_what_is_drawn_and_nothing_stands_alone() -> None:
    nodes = {*PROCESSES, *OTHERS, *nodes_of_topics()}
    assert {end for arrow in ARROWS for end in (arrow.start, arrow.end)} == nodes


def test_every_topic_is_written_by_somebody() -> None:
    assert {arrow.end for arrow in ARROWS if arrow.end in TOPICS} == set(nodes_of_topics())


def test_lines_are_one_a_node_and_one_an_arrow() -> None:
    """Names that Mermaid takes, none of them twice."""
    lines = picture().splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("```mermaid", "flowchart TD", "```")
    assert len(lines) == len(set(lines)) == 4 + len(PROCESSES) + len(OTHERS) + len(nodes_of_topics()) + len(ARROWS)
