"""Client of a Confluent-compatible schema registry: the source of ids when SCRIBE_SCHEMA_REGISTRY_URL is set.

Subjects are `<topic>-value`. Running processes only look up; schemas get there by `register_all`, a step of its own.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, cast

import fastavro
import httpx2
from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.errors import Fatal, Outage, Poison, ScribeError
from schemas.wire.avro_reading import Schema, check_shape, current_schema
from schemas.wire.catalog import COMPATIBILITY, SchemaVersion, subjects
from schemas.wire.release import schema_text

TIMEOUT_SECONDS = 5
RETRIES = 1
RETRY_MS = 200
UNKNOWN_SECONDS = 60.0
LISTED_SECONDS = 10.0
MOST_UNKNOWN = 10_000
NOT_FOUND = 404
# the registry's own codes: no such subject, version, schema, or compatibility of a subject
MISSING = frozenset({40401, 40402, 40403, 40408})
REFUSED = (409, 422)


class SchemaRefused(ScribeError):
    """The registry rejects a schema as incompatible with its versions."""


class RegistryStore:
    """Ids and writer schemas from a registry, each requested once; raises Outage while the registry is away.

    What it does not have is asked for again after UNKNOWN_SECONDS.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty cache; `clock` gives monotonic seconds."""
        self._url = url
        self._clock = clock
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, Schema] = {}
        self._unknown: dict[int, tuple[float, str]] = {}  # since when, and why it can decode nothing

    def id_of(self, event_name: str) -> int:
        """See SchemaStore; raises Fatal when the current schema is not registered."""
        if event_name not in self._ids:
            subject = next(subject for subject, event in subjects().items() if event == event_name)
            with _client(self._url) as client:
                found = _lookup(client, subject, event_name)
            if found is None:
                raise Fatal(f"the registry has no current schema of {event_name}: run `scribe schemas register`")
            self._ids[event_name] = found
            self._schemas.setdefault(found, _parsed(found, schema_text(event_name)))
        return self._ids[event_name]

    def schema_of(self, schema_id: int) -> Schema:
        """See SchemaStore."""
        if schema_id not in self._schemas:
            since, why = self._unknown.get(schema_id, (-UNKNOWN_SECONDS, ""))
            if why and self._clock() - since < UNKNOWN_SECONDS:
                raise Poison(why)
            self._schemas[schema_id] = self._found(schema_id)
        return self._schemas[schema_id]

    def knows(self, schema_id: int) -> bool:
        """See SchemaStore."""
        return schema_id in self._schemas

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Schema]:  # noqa: ARG002 - all have it
        """See SchemaStore; always the current schema, since readers find every schema in the registry."""
        return self.id_of(event_name), current_schema(event_name)

    def _found(self, schema_id: int) -> Schema:
        try:
            return _parsed(schema_id, self._text_of(schema_id))
        except Poison as error:
            if len(self._unknown) >= MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = self._clock(), str(error)
            raise

    def _text_of(self, schema_id: int) -> str:
        try:
            with _client(self._url) as client, _translated():
                return client.get_schema(schema_id).schema_str or ""
        except _Missing as error:
            raise Poison(f"unknown schema id {schema_id}") from error


class RegistryCatalog:
    """The schemas of the topics in a registry, of which it lists the versions anew after LISTED_SECONDS.

    It may be asked from several threads; raises Outage while the registry is away. The registry's other schemas are not
    in it: who asks may have no key, and the registry may be one of many teams.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a catalog of the registry at an address; `clock` gives monotonic seconds."""
        self._url = url
        self._clock = clock
        self._lock = Lock()  # held while the registry is read, so that it is read once for all who ask
        self._read_at = float("-inf")
        self._away = ""  # why the registry could not be read then
        self._versions: dict[str, dict[int, SchemaVersion]] = {}
        self._texts: dict[int, str] = {}

    def versions(self, subject: str) -> list[SchemaVersion]:
        """See SchemaCatalog."""
        if subject not in subjects():
            return []
        self._refresh()
        return list(self._versions[subject].values())

    def text_of(self, schema_id: int) -> str | None:
        """See SchemaCatalog."""
        if schema_id not in self._texts:  # else it never changes
            self._refresh()
        return self._texts.get(schema_id)

    def _refresh(self) -> None:
        with self._lock:
            if self._clock() - self._read_at >= LISTED_SECONDS:
                try:
                    self._read()
                    self._away = ""
                except Outage as error:
                    self._away = str(error)
                self._read_at = self._clock()
            if self._away:
                raise Outage(self._away)

    def _read(self) -> None:
        with _client(self._url) as client:
            self._versions = {subject: self._listed(client, subject) for subject in subjects()}
        self._texts |= {each.schema_id: each.text for found in self._versions.values() for each in found.values()}

    def _listed(self, client: SchemaRegistryClient, subject: str) -> dict[int, SchemaVersion]:
        known = self._versions.get(subject, {})
        try:
            with _translated():
                numbers = client.get_versions(subject)
                return {number: known.get(number) or _version(client, subject, number) for number in numbers}
        except _Missing:
            return {}


def _version(client: SchemaRegistryClient, subject: str, number: int) -> SchemaVersion:
    found = client.get_version(subject, number)
    return SchemaVersion(subject, number, found.schema_id or 0, (found.schema and found.schema.schema_str) or "")


def register_all(url: str) -> dict[str, int]:
    """Register every event under each topic that carries it and demand compatibility; returns the id by subject.

    Raises SchemaRefused when a schema does not fit the versions that are there, Outage when the registry is away.
    """
    with _client(url) as client:
        with _translated():
            known = set(client.get_subjects())
        return {name: _register(client, name, event, known=name in known) for name, event in subjects().items()}


def check(url: str) -> tuple[str, ...]:
    """The changes that `register_all` would make, one sentence each; raises Outage when the registry is away."""
    with _client(url) as client:
        problems = (_problem(client, subject, event) for subject, event in subjects().items())
        return tuple(problem for problem in problems if problem)


def _client(url: str) -> SchemaRegistryClient:
    retry = {"max.retries": RETRIES, "retries.wait.ms": RETRY_MS, "retries.max.wait.ms": 5 * RETRY_MS}
    return SchemaRegistryClient({"url": url, "timeout": TIMEOUT_SECONDS, **retry})


def _problem(client: SchemaRegistryClient, subject: str, event_name: str) -> str | None:
    if _lookup(client, subject, event_name) is None:
        return f"{subject} has no current schema of {event_name}"
    level = _compatibility(client, subject)
    return None if level == COMPATIBILITY else f"{subject} has compatibility {level}, not {COMPATIBILITY}"


def _avro(event_name: str) -> RegistrySchema:
    return RegistrySchema(schema_text(event_name), "AVRO")


def _lookup(client: SchemaRegistryClient, subject: str, event_name: str) -> int | None:
    try:
        with _translated():
            return client.lookup_schema(subject, _avro(event_name)).schema_id
    except _Missing:
        return None


def _compatibility(client: SchemaRegistryClient, subject: str) -> str:
    try:
        with _translated():
            return client.get_compatibility(subject)
    except _Missing:
        return "of the registry's default"


def _register(client: SchemaRegistryClient, subject: str, event_name: str, *, known: bool) -> int:
    with _translated(subject):
        if known:  # a demand set first is a demand on this very registration
            client.set_compatibility(subject, COMPATIBILITY)
        schema_id = client.register_schema(subject, _avro(event_name))
        client.set_compatibility(subject, COMPATIBILITY)
    return schema_id


class _Missing(ScribeError):
    """The registry does not have the requested item."""


@contextmanager
def _translated(subject: str = "the request") -> Iterator[None]:
    """Translate the client's exceptions into ours."""
    try:
        yield
    except SchemaRegistryError as error:
        if error.http_status_code == NOT_FOUND and error.error_code in MISSING:
            raise _Missing(str(error)) from error
        if error.http_status_code == NOT_FOUND:
            raise Outage(
                "what answers is no schema registry (404): SCRIBE_SCHEMA_REGISTRY_URL needs the path of its"
                " Confluent-compatible interface, such as /apis/ccompat/v7"
            ) from error
        if error.http_status_code in REFUSED:
            raise SchemaRefused(f"the schema registry refuses {subject}: {error.error_message}") from error
        raise Outage(f"the schema registry answers {error.http_status_code}: {error.error_message}") from error
    except httpx2.HTTPError as error:
        raise Outage(f"the schema registry is away: {type(error).__name__}: {error}") from error


def _parsed(schema_id: int, text: str) -> Schema:
    try:
        schema = cast(Schema, fastavro.parse_schema(json.loads(text)))
        if not isinstance(schema, dict):
            raise Poison("it is no record")
        check_shape(schema)
    except Poison as error:
        raise Poison(f"schema {schema_id} of the registry cannot be read by: {error}") from error
    # whatever a stranger registered provokes: ValueError, KeyError, SchemaParseException, RecursionError ...
    except Exception as error:
        raise Poison(
            f"schema {schema_id} of the registry is no Avro schema: {type(error).__name__}: {error}"
        ) from error
    return schema
