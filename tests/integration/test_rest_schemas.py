"""The schemas of the topics for Kafka's tools: Confluent's own client finds them, and decodes records of every event."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from producers.api.web.contract.registry_errors import PREFIX
from schemas.events import EVENTS
from schemas.topics import TOPICS
from schemas.wire.catalog import ManifestCatalog, subjects
from schemas.wire.serde import ManifestStore, Serde, schema_id_of, to_json
from sink.memory import MemoryObjectStore
from sink.records.schema_registry import RegistryCatalog, RegistryStore, register_all
from tests.conftest import TopicFactory
from tests.integration.rest import check_registry_error
from tests.integration.shim import RunningShim, serving
from tests.samples import SAMPLES
from tests.system.test_readme import snippets

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


@contextmanager
def _opened(shim: RunningShim) -> Iterator[SchemaRegistryClient]:
    """Confluent's client, which sends what it always does: a user and a password."""
    with SchemaRegistryClient({"url": f"{shim.url}{PREFIX}", "basic.auth.user.info": "anybody:anything"}) as client:
        yield client


@pytest.fixture
def registry(shim: RunningShim) -> Iterator[SchemaRegistryClient]:
    with _opened(shim) as client:
        yield client


def _read_back(kafka: str, topic: str, values: list[bytes]) -> list[bytes]:
    """Records as they come back from the broker."""
    producer = Producer({"bootstrap.servers": kafka})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(60) == 0
    settings = {"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    found: list[bytes] = []
    try:
        while len(found) < len(values):
            message = consumer.poll(60)
            assert message is not None
            assert message.error() is None
            found.append(message.value() or b"")
    finally:
        consumer.close()
    return found


def _holds(decoded: Any, event: Any) -> bool:
    """Whether all that a foreign client reads is what the event says; a field left empty need not be there."""
    if isinstance(decoded, dict):
        return all(_holds(value, event[name]) for name, value in decoded.items())
    if isinstance(decoded, list):
        return len(decoded) == len(event) and all(map(_holds, decoded, event))
    if hasattr(decoded, "isoformat"):
        return bool(str(decoded.isoformat()).replace("+00:00", "Z") == event)
    return bool(decoded == event) or str(decoded) == str(event)


def test_confluents_client_decodes_a_record_of_every_event(
    shim: RunningShim, kafka: str, fresh_topic: TopicFactory
) -> None:
    """As the page shows. The topic does not matter to it: the id in the record does."""
    assert {type(event) for event in SAMPLES.values()} == set(EVENTS)
    topic = fresh_topic(1)
    records = _read_back(kafka, topic, [Serde().encode(event) for event in SAMPLES.values()])
    (shown,) = snippets("AvroDeserializer(")
    names: dict[str, Any] = {}
    exec(shown.replace("http://127.0.0.1:8000", shim.url), names)
    with names["registry"]:
        for value, event in zip(records, SAMPLES.values(), strict=True):
            decoded = names["decode"](value, SerializationContext(topic, MessageField.VALUE))
            assert _holds(decoded, to_json(event)), decoded


def test_every_topic_with_events_has_a_subject_whose_latest_version_is_the_schema_of_today(
    registry: SchemaRegistryClient,
) -> None:
    assert set(registry.get_subjects()) == {f"{t.name}-value" for t in TOPICS.values() if t.event}
    for subject, event in subjects().items():
        latest = registry.get_latest_version(subject)
        assert latest.schema_id == ManifestStore().id_of(event)
        numbers = registry.get_versions(subject)
        assert numbers == list(range(1, len(numbers) + 1))
        assert registry.get_version(subject, numbers[-1]).schema_id == latest.schema_id
        assert registry.get_compatibility(subject) == "FULL_TRANSITIVE"


def test_a_schema_says_where_it_is_used(shim: RunningShim, client: httpx.Client) -> None:
    used = client.get(f"{PREFIX}/schemas/ids/{ManifestStore().id_of('JobRequested')}/versions").json()
    assert {each["subject"] for each in used} == {"scribe.jobs-value", "scribe.jobs.express-value"}
    assert client.get(f"{PREFIX}/schemas/types").json() == ["AVRO"]
    assert client.get(f"{PREFIX}/config").json() == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert client.get(f"{PREFIX}/mode").json() == {"mode": "READONLY"}


@pytest.mark.parametrize(
    ("ask", "status", "number"),
    [
        (lambda registry: registry.get_versions("orders-value"), 404, 40401),
        (lambda registry: registry.get_version("scribe.jobs-value", 99), 404, 40402),
        (lambda registry: registry.get_version("scribe.jobs-value", "first"), 422, 42202),
        (lambda registry: registry.get_schema(4711), 404, 40403),
        (lambda registry: registry.get_compatibility("orders-value"), 404, 40401),
    ],
    ids=["subject", "version", "no version", "id", "config"],
)
def test_what_is_not_there_is_said_in_its_own_numbers(
    registry: SchemaRegistryClient, ask: Callable[[SchemaRegistryClient], object], status: int, number: int
) -> None:
    with pytest.raises(SchemaRegistryError) as caught:
        ask(registry)
    assert (caught.value.http_status_code, caught.value.error_code) == (status, number)


def test_errors_of_every_kind_have_its_shape(client: httpx.Client) -> None:
    """Registering is not offered; a number that none can be is no schema's."""
    check_registry_error(client.post(f"{PREFIX}/subjects/orders-value/versions", json={"schema": '"string"'}), 405)
    check_registry_error(client.get(f"{PREFIX}/nothing"), 404)
    check_registry_error(client.get(f"{PREFIX}/schemas/ids/0"), 422)


def test_it_needs_no_key(shim: RunningShim) -> None:
    answer = httpx.get(f"{shim.url}{PREFIX}/subjects", trust_env=False, timeout=90)
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)


def _foreign_schema(registry_url: str) -> int:
    name = f"test_{uuid.uuid4().hex[:8]}"
    schema = Schema(json.dumps({"type": "record", "name": name, "fields": []}), "AVRO")
    with SchemaRegistryClient({"url": registry_url}) as client:
        return int(client.register_schema(f"{name}-value", schema))


@pytest.mark.registry
def test_with_a_registry_of_its_own_the_ids_are_those_of_that_one(database: str, registry_url: str) -> None:
    ids = register_all(registry_url)
    catalog = RegistryCatalog(registry_url)
    with serving(database, MemoryObjectStore(), catalog=catalog) as shim, _opened(shim) as registry:
        for subject, event in subjects().items():
            assert registry.get_latest_version(subject).schema_id == ids[subject]
            assert RegistryStore(registry_url).id_of(event) in ids.values()
        sample = next(iter(SAMPLES.values()))
        value = Serde(RegistryStore(registry_url)).encode(sample)
        decoded = AvroDeserializer(registry)(value, SerializationContext("any", MessageField.VALUE))
        assert _holds(decoded, to_json(sample))
        with pytest.raises(SchemaRegistryError):
            registry.get_versions("orders-value")
        # of the schemas of other teams in the same registry nobody learns anything here
        foreign = _foreign_schema(registry_url)
        for path in (f"/schemas/ids/{foreign}", f"/schemas/ids/{foreign}/versions"):
            refused = httpx.get(f"{shim.url}{PREFIX}{path}", trust_env=False, timeout=90)
            assert (refused.status_code, refused.json()["error_code"]) == (404, 40403)


def test_every_released_schema_is_a_version_of_its_subject() -> None:
    """Old records stay decodable for others as they do for us."""
    catalog = ManifestCatalog()
    listed = {each.schema_id for subject in subjects() for each in catalog.versions(subject)}
    stored = ManifestStore()
    assert listed == {number for number in range(1, max(listed) + 1) if stored.knows(number)}
    assert {schema_id_of(Serde().encode(event)) for event in SAMPLES.values()} <= listed
