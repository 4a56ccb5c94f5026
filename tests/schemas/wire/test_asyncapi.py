"""The AsyncAPI document is one by its official schema, and says of the topics what the code does."""

import json
from pathlib import Path
from typing import Any

import fastavro
import jsonschema_rs
import pytest

from schemas.events import EVENTS
from schemas.topics import TOPICS
from schemas.wire.asyncapi import document
from schemas.wire.headers import OWN, event_headers
from schemas.wire.release import schema_text
from tests.samples import AT, SAMPLES

OFFICIAL = Path(__file__).with_name("asyncapi") / "3.0.0.json"
"""Of github.com/asyncapi/spec-json-schemas (Apache-2.0), as it was published."""
DOCUMENT = document("1.2.3")


def _wrong(value: Any) -> list[str]:
    validator = jsonschema_rs.Draft7Validator(json.loads(OFFICIAL.read_text()))
    return [error.message for error in validator.iter_errors(value)]


def test_it_is_a_document_of_asyncapi_3() -> None:
    assert _wrong(DOCUMENT) == []
    assert _wrong({**DOCUMENT, "channels": {"scribe.jobs": {"address": 1}}}) != []


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_a_topic_is_a_channel_with_its_events_and_settings(topic: Any) -> None:
    channel = DOCUMENT["channels"][topic.name]
    assert channel["messages"].keys() == ({topic.event} if topic.event else {kind.KIND for kind in EVENTS})
    binding = channel["bindings"]["kafka"]
    assert binding["partitions"] == topic.partitions
    assert ",".join(binding["topicConfiguration"]["cleanup.policy"]) == topic.config["cleanup.policy"]
    assert str(binding["topicConfiguration"].get("retention.ms")) == str(topic.config.get("retention.ms"))
    said = {DOCUMENT["operations"][f"{action}.{topic.name}"]["summary"] for action in ("send", "receive")}
    assert said == {f"Written by {topic.written_by}", f"Read by {topic.read_by}"}


def test_nothing_else_is_described() -> None:
    assert DOCUMENT["channels"].keys() == TOPICS.keys()
    assert DOCUMENT["components"]["messages"].keys() == {kind.KIND for kind in EVENTS}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.KIND)
def test_a_message_has_the_avro_schema_of_its_event(kind: Any) -> None:
    payload = DOCUMENT["components"]["messages"][kind.KIND]["payload"]
    released = fastavro.parse_schema(json.loads(schema_text(kind.KIND)))
    assert fastavro.parse_schema(payload["schema"]) == released


def test_the_headers_are_those_that_are_written() -> None:
    """Those of a new event always; the others of ours are known."""
    headers = DOCUMENT["components"]["schemas"]["headers"]
    for event in SAMPLES.values():
        assert set(headers["required"]) == event_headers(event, "api", AT).keys()
    assert headers["properties"].keys() == OWN
