"""The AsyncAPI 3 document of the topics: what is in each, with which headers, and who writes and reads it."""

import json
from functools import cache
from typing import Any

from schemas.events import EVENTS, Event
from schemas.topics import TENANTS, TOPICS, Topic
from schemas.wire.headers import FATE, OWN, RESULTS_TO, TRACESTATE
from schemas.wire.release import schema_text

_AVRO = "application/vnd.apache.avro+json;version=1.9.0"
_ALWAYS = OWN - FATE - {RESULTS_TO, TRACESTATE}
Json = dict[str, Any]


@cache
def document(version: str) -> Json:
    """The document of a version of the service."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Scribe Rabbit",
            "version": version,
            "description": "Recordings in, transcripts with speakers out, over Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/avro",
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {
            f"{action}.{topic.name}": _operation(action, topic)
            for topic in TOPICS.values()
            for action in ("send", "receive")
        },
        "components": {
            "messages": {kind.KIND: _message(kind) for kind in EVENTS},
            "schemas": {"headers": _headers()},
        },
    }


def _channel(topic: Topic) -> Json:
    what = f"Events {topic.event}" if topic.event else "Records of other topics as they were, with what became of them"
    kinds = [topic.event] if topic.event else [kind.KIND for kind in EVENTS]
    configuration: Json = {"cleanup.policy": topic.cleanup.split(",")}
    if retention := topic.config.get("retention.ms"):
        configuration["retention.ms"] = int(retention)
    return {
        "address": topic.name,
        "description": f"{what}. The key is {'the tenant' if topic.name == TENANTS else 'the job id'}.",
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
        "bindings": {"kafka": {"partitions": topic.partitions, "topicConfiguration": configuration}},
    }


def _operation(action: str, topic: Topic) -> Json:
    who = topic.written_by if action == "send" else topic.read_by
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{'Written by' if action == 'send' else 'Read by'} {who}",
    }


def _message(kind: type[Event]) -> Json:
    return {
        "name": kind.KIND,
        "summary": (kind.__doc__ or "").splitlines()[0],
        "contentType": "application/avro",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {"schemaFormat": _AVRO, "schema": _named(json.loads(schema_text(kind.KIND)))},
        # the form of Confluent's registry, whose shape /schema-registry has
        "bindings": {
            "kafka": {
                "key": {"type": "string"},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "bindingVersion": "0.5.0",
            }
        },
    }


def _named(schema: Any) -> Any:
    """An Avro schema whose types have name and namespace apart, as the schema of AsyncAPI wants them."""
    if isinstance(schema, list):
        return [_named(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {member: _named(value) for member, value in schema.items()}
    if "." in (full := str(schema.get("name", ""))):
        found["namespace"], _, found["name"] = full.rpartition(".")
    return found


def _headers() -> Json:
    """CloudEvents in binary mode and trace context; a record that was tried or sent again has more of ours."""
    return {
        "type": "object",
        "required": sorted(_ALWAYS),
        "properties": {name: {"type": "string"} for name in sorted(OWN)},
    }
