"""Generates the README's diagram as a Mermaid flowchart: topics and groups from schemas.topics, and other paths."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas import topics
from schemas.topics import READS, TOPICS, Topic

BESIDE = frozenset({topics.PROGRESS, topics.CONTROL, topics.TENANTS})
"""Topics of orders and progress: in the table only, for the picture follows a job from its request to its end."""
PROCESSES: Mapping[str, str] = {
    "scribe-api": "scribe-api",
    "scribe-relay": "scribe-relay",
    topics.TRANSCRIBERS: "scribe-gpu: transcribers<br>words with times",
    topics.DIARIZERS: "scribe-gpu: diarizers<br>words × turns",
    topics.ENHANCE: "scribe-streams enhance",
    "dispatch (calls)": "scribe-streams dispatch",
    topics.PERSIST: "scribe-streams persist",
    topics.WEBHOOKS: "scribe-streams webhooks",
    "dispatch (webhooks)": "scribe-streams dispatch",
    "retention": "scribe-streams retention",
}
"""Every process and group that works on jobs, with its words; the dispatcher stands at both of its places."""
OTHERS: Mapping[str, str] = {
    "upstream": "([your systems])",
    "clients": "([HTTP clients])",
    "rows": "[(PostgreSQL and S3)]",
    "downstream": "([your services,<br>at their own offsets])",
    "receivers": "([webhook receivers])",
    "enhancer": "([enhanced-AI service])",
}
"""Everybody and everything else, with its shape."""
WRITERS: Mapping[str, str] = {
    "upstream": "upstream",
    "transcribers": topics.TRANSCRIBERS,
    "diarizers": topics.DIARIZERS,
}
"""Names in `Topic.written_by`. The command line writes where upstream systems do; the relay has arrows of its own."""
RELAYED: Mapping[str, str] = {"JobRequested": "scribe-relay", "EnhancementResult": "dispatch (calls)"}
"""By event, from where the relay's arrow begins: at itself, or at the process whose outbox rows it publishes."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between two nodes; `label` names what is transported; dotted arrows do not carry jobs."""

    start: str
    end: str
    label: str = ""
    dotted: bool = False


AROUND = (
    Arrow("clients", "scribe-api", "REST"),
    Arrow("scribe-api", "scribe-relay", "job and outbox row"),
    Arrow(topics.ENHANCE, "dispatch (calls)", "call rows"),
    Arrow("dispatch (calls)", "enhancer"),
    Arrow(topics.PERSIST, "rows"),
    Arrow("retention", "rows", "deletes", dotted=True),
    Arrow(topics.WEBHOOKS, "dispatch (webhooks)", "delivery rows"),
    Arrow("dispatch (webhooks)", "receivers", "signed"),
)
"""What flows elsewhere than through topics."""


def nodes_of_topics() -> dict[str, tuple[Topic, ...]]:
    """The nodes of the topics, by the first topic of each event; topics with the same event share a node."""
    nodes: dict[str, tuple[Topic, ...]] = {}
    for topic in TOPICS.values():
        if topic.event and topic.name not in BESIDE:
            first = next((name for name, group in nodes.items() if group[0].event == topic.event), topic.name)
            nodes[first] = (*nodes.get(first, ()), topic)
    return nodes


def arrows_of_topics() -> Iterator[Arrow]:
    """Arrows from the writers of each topic, and to its consumer groups and to other services that may read it."""
    for name, (topic, *_) in nodes_of_topics().items():
        for word in topic.written_by.split(", "):
            if word in WRITERS:
                yield Arrow(WRITERS[word], name, "Avro" if word == "upstream" else "")
            if word == "relay":
                start = RELAYED[str(topic.event)]
                yield Arrow(start, name, "" if start == "scribe-relay" else "outbox, relay")
        for group, names in READS.items():
            # persist makes rows of the requests that came past REST, too: no step of a job's way
            if name in names and (group, topic.event) != (topics.PERSIST, "JobRequested"):
                yield Arrow(name, group)
        if "downstream" in topic.read_by:
            yield Arrow(name, "downstream")


def picture() -> str:
    """The flowchart as a fenced code block."""
    boxes = {name: f'["{text}"]' for name, text in PROCESSES.items()} | dict(OTHERS)
    lines = [f"  {_node(name)}{boxes[name]}" for name in boxes]
    for name, group in nodes_of_topics().items():
        lines.append(f'  {_node(name)}[/"{"<br>".join(topic.name for topic in group)}"/]:::topic')
    lines += [_line(arrow) for arrow in (*arrows_of_topics(), *AROUND)]
    lines += ["  classDef topic fill:#e8f0fe,stroke:#4a6fa5,color:#10243e"]
    return "\n".join(("```mermaid", "flowchart TD", *lines, "```"))


def _node(name: str) -> str:
    """The name of a node in the syntax of Mermaid: letters, digits, underscores."""
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def _line(arrow: Arrow) -> str:
    kind = "-.->" if arrow.dotted else "-->"
    label = f"|{arrow.label}|" if arrow.label else ""
    return f"  {_node(arrow.start)} {kind}{label} {_node(arrow.end)}"
