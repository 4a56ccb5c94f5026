"""Every released version of an event reads every other one: FULL_TRANSITIVE, checked with the Avro project's own checker."""

import json
from itertools import permutations
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from schemas.events import EVENTS
from schemas.wire.avro_reading import AVRO_FOLDER, current_schema
from schemas.wire.release import schema_text
from schemas.wire.serde import ManifestStore

RELEASED = {int(path.stem): path.read_text() for path in (AVRO_FOLDER / "released").glob("*.avsc")}


def compatible(reader: str, writer: str) -> bool:
    """Whether `reader` can read what `writer` wrote."""
    checker: Any = ReaderWriterCompatibilityChecker
    result = checker().get_compatibility(parse(reader), parse(writer))
    return bool(result.compatibility is SchemaCompatibilityType.compatible)


def versions(name: str) -> list[str]:
    """All released texts of an event, and the current one."""
    return [text for text in RELEASED.values() if json.loads(text)["name"] == f"scribe.{name}"] + [schema_text(name)]


@pytest.mark.parametrize("name", [cls.KIND for cls in EVENTS])
def test_all_versions_read_each_other(name: str) -> None:
    """Old consumers read new records and new consumers old ones."""
    assert all(compatible(reader, writer) for reader, writer in permutations(versions(name), 2))


@pytest.mark.parametrize("name", [cls.KIND for cls in EVENTS])
def test_the_current_schema_is_released(name: str) -> None:
    """Nothing is written under an id that means something else."""
    assert RELEASED[ManifestStore().id_of(name)] == schema_text(name), "run: python -m schemas.wire.release"


def test_the_checker_finds_a_required_addition() -> None:
    """The gate can fail: a field without default is refused, one with default passes."""
    schema: dict[str, Any] = json.loads(schema_text("JobControl"))
    required = json.dumps({**schema, "fields": [*schema["fields"], {"name": "why", "type": "string"}]})
    optional = json.dumps(
        {**schema, "fields": [*schema["fields"], {"name": "why", "type": ["null", "string"], "default": None}]}
    )
    assert not compatible(required, schema_text("JobControl"))
    assert compatible(optional, schema_text("JobControl"))


@pytest.mark.parametrize("name", [cls.KIND for cls in EVENTS])
def test_no_array_of_nothing(name: str) -> None:
    """Items without bytes would let a few bytes stand for millions of items."""
    assert '"items": "null"' not in json.dumps(current_schema(name), default=str)
