"""The schemas of the topics as a schema registry lists them: subjects, each with its versions and their ids."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from schemas.topics import TOPICS
from schemas.wire.avro_reading import AVRO_FOLDER

COMPATIBILITY = "FULL_TRANSITIVE"


def subjects() -> dict[str, str]:
    """The event of each subject."""
    return {f"{topic.name}-value": topic.event for topic in TOPICS.values() if topic.event}


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A version of a subject; `schema_id` is the id that records carry, `text` its Avro schema as JSON."""

    subject: str
    version: int
    schema_id: int
    text: str


class SchemaCatalog(Protocol):
    """The schemas that records of the topics may be written by."""

    def versions(self, subject: str) -> list[SchemaVersion]:
        """The versions of one of `subjects`, the oldest first; none of another."""

    def text_of(self, schema_id: int) -> str | None:
        """The schema of an id, None where no version of `subjects` has it."""


class ManifestCatalog:
    """The released schemas of this version, whose ids are those of its manifest."""

    def __init__(self, folder: Path = AVRO_FOLDER) -> None:
        self._folder = folder / "released"

    def versions(self, subject: str) -> list[SchemaVersion]:
        """See SchemaCatalog."""
        event = subjects().get(subject)
        texts = [(schema_id, text) for schema_id, (name, text) in self._released.items() if name == event]
        return [SchemaVersion(subject, version, *each) for version, each in enumerate(texts, start=1)]

    def text_of(self, schema_id: int) -> str | None:
        """See SchemaCatalog."""
        found = self._released.get(schema_id)
        return found and found[1]

    @cached_property
    def _released(self) -> dict[int, tuple[str, str]]:
        """Name and text of each released schema, by id, the oldest first."""
        texts = {int(path.stem): json.loads(path.read_text()) for path in self._folder.glob("*.avsc")}
        return {
            schema_id: (_name(schema), json.dumps(schema, ensure_ascii=False, separators=(",", ":")))
            for schema_id, schema in sorted(texts.items())
        }


def _name(schema: dict[str, str]) -> str:
    return schema["name"].rpartition(".")[2]
