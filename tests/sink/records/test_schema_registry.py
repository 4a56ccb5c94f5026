"""The adapter against a real Apicurio Registry: same bytes but for the id, refusals by the registry itself."""

import json
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.errors import Fatal, InvalidEvent, Outage, Poison
from schemas.events import EVENTS, Event, JobControl, JobRequested
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.wire.avro_reading import current_schema
from schemas.wire.catalog import COMPATIBILITY, subjects
from schemas.wire.release import schema_text
from schemas.wire.serde import ManifestStore, Serde
from sink.records import schema_registry
from sink.records.schema_registry import (
    LISTED_SECONDS,
    UNKNOWN_SECONDS,
    RegistryCatalog,
    RegistryStore,
    SchemaRefused,
    check,
    register_all,
)
from sink.records.serdes import serde_for
from tests.foreign import body_of, framed, javas, plain, without_logic
from tests.samples import FULL_REQUEST, SAMPLES

SAMPLES_BODY = Serde().encode(SAMPLES["JobControl-full"])[5:]


@pytest.fixture
def registered(registry_url: str) -> str:
    """A registry that has all current schemas."""
    register_all(registry_url)
    return registry_url


@pytest.fixture
def client(registry_url: str) -> Iterator[SchemaRegistryClient]:
    """The registry as anybody else would use it."""
    with SchemaRegistryClient({"url": registry_url}) as client:
        yield client


@pytest.fixture
def subject(client: SchemaRegistryClient) -> str:
    """A subject that no other test has, with the current JobControl and our compatibility."""
    name = f"test-{uuid.uuid4().hex[:8]}-value"
    client.register_schema(name, avro(control()))
    client.set_compatibility(name, COMPATIBILITY)
    return name


def control() -> dict[str, Any]:
    """The current schema of JobControl, to be changed."""
    return dict(json.loads(schema_text("JobControl")))


def with_field(**field: Any) -> dict[str, Any]:
    """The schema of JobControl with one more field."""
    schema = control()
    return {**schema, "fields": [*schema["fields"], field]}


def avro(schema: dict[str, Any]) -> Schema:
    """A schema as the registry's client takes it."""
    return Schema(json.dumps(schema), "AVRO")


@pytest.mark.parametrize("event", SAMPLES.values(), ids=SAMPLES)
def test_the_bytes_differ_only_in_the_id(registered: str, event: Event) -> None:
    with_registry, with_manifest = Serde(RegistryStore(registered)), Serde(ManifestStore())
    encoded, plain = with_registry.encode(event), with_manifest.encode(event)
    if int.from_bytes(plain[1:5], "big") == ManifestStore().id_of(event.KIND):  # else an older schema holds all of it
        assert (encoded[0], encoded[5:]) == (0, plain[5:])
    assert with_registry.decode_any(encoded) == event == with_manifest.decode_any(plain)


def test_registering_again_changes_nothing(registered: str) -> None:
    assert register_all(registered) == register_all(registered)
    assert check(registered) == ()


def test_one_event_has_one_id_under_all_its_topics(registered: str) -> None:
    ids = register_all(registered)
    assert ids["scribe.jobs-value"] == ids["scribe.jobs.express-value"]
    assert len(set(ids.values())) == len(EVENTS)


def test_check_names_what_is_not_as_demanded(
    registry_url: str, client: SchemaRegistryClient, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a subject of its own: others look at the real ones at the same time."""
    monkeypatch.setattr(schema_registry, "subjects", lambda: {subject: "JobControl"})
    assert check(registry_url) == ()
    client.set_compatibility(subject, "NONE")
    assert check(registry_url) == (f"{subject} has compatibility NONE, not {COMPATIBILITY}",)
    register_all(registry_url)
    assert check(registry_url) == ()


def test_the_registry_refuses_a_required_field(client: SchemaRegistryClient, subject: str) -> None:
    with pytest.raises(SchemaRegistryError, match="ncompatib"):
        client.register_schema(subject, avro(with_field(name="reason", type="string")))


def test_the_registry_takes_a_nullable_field_and_both_ways_decode(
    registered: str, client: SchemaRegistryClient, subject: str
) -> None:
    grown = with_field(name="reason", type=["null", "string"], default=None)
    new_id = client.register_schema(subject, avro(grown))
    store = RegistryStore(registered)
    event = SAMPLES["JobControl-full"]
    old = Serde(store).encode(event)
    from_the_future = b"\x00" + new_id.to_bytes(4, "big") + old[5:] + b"\x02\x06why"
    assert Serde(store).decode(old, JobControl) == event
    assert Serde(store).decode(from_the_future, JobControl) == event


def test_a_refused_registration_names_the_subject(client: SchemaRegistryClient) -> None:
    """The demand is made before the registration, so that an incompatible current schema cannot slip in."""
    name = f"test-{uuid.uuid4().hex[:8]}-value"
    client.register_schema(name, avro(with_field(name="reason", type="string")))
    with pytest.raises(SchemaRefused, match=name):
        schema_registry._register(client, name, "JobControl", known=True)


def test_an_id_that_nobody_registered_is_poison(registry_url: str) -> None:
    with pytest.raises(Poison, match="unknown schema id 999999"):
        RegistryStore(registry_url).schema_of(999_999)


def test_a_schema_of_another_kind_is_poison(registry_url: str, client: SchemaRegistryClient) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}-value"
    schema_id = client.register_schema(
        name, Schema('{"$schema": "https://json-schema.org/draft-07/schema", "type": "object"}', "JSON")
    )
    with pytest.raises(Poison, match="no Avro schema"):
        RegistryStore(registry_url).schema_of(schema_id)


@pytest.mark.parametrize("schema_id", [0, 2**31 - 1])
def test_ids_at_the_edges_are_poison_and_no_outage(registry_url: str, schema_id: int) -> None:
    """An outage would be waited out for ever, and all that comes behind the record with it."""
    with pytest.raises(Poison, match=f"unknown schema id {schema_id}"):
        Serde(RegistryStore(registry_url)).decode(framed(schema_id, b"body"), JobControl)


def own_subject(client: SchemaRegistryClient, schema: Any) -> int:
    """The id of a schema that another team has registered under a subject of its own."""
    return client.register_schema(f"test-{uuid.uuid4().hex[:8]}-value", avro(schema))


def test_a_producer_with_classes_of_its_own_is_read_and_answered(
    registry_url: str, client: SchemaRegistryClient
) -> None:
    """Its id is in no manifest; what it writes is an event, or an answer that names the field."""
    schema = javas({k: v for k, v in current_schema("JobRequested").items() if not k.startswith("__")})
    schema_id = own_subject(client, schema)
    serde = Serde(RegistryStore(registry_url))
    written = fastavro.parse_schema(without_logic(schema))
    data = plain(FULL_REQUEST)
    assert serde.decode(framed(schema_id, body_of(written, data)), JobRequested) == FULL_REQUEST
    with pytest.raises(InvalidEvent, match="priority") as raised:
        serde.decode(framed(schema_id, body_of(written, {**data, "priority": "URGENT"})), JobRequested)
    assert raised.value.answer is not None


def test_a_schema_that_has_itself_inside_ends_no_process(registry_url: str, client: SchemaRegistryClient) -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    schema_id = own_subject(client, with_field(name="chain", type=["null", node], default=None))
    body = SAMPLES_BODY + b"\x02" * 100_000 + b"\x00"
    with pytest.raises(Poison, match="inside itself"):
        Serde(RegistryStore(registry_url)).decode(framed(schema_id, body), JobControl)


def test_an_absent_schema_names_the_command(registry_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RegistryStore(registry_url)
    with pytest.raises(StopIteration):
        store.id_of("Unheard")
    monkeypatch.setattr(schema_registry, "subjects", lambda: {f"test-{uuid.uuid4().hex}-value": "JobControl"})
    with pytest.raises(Fatal, match="scribe schemas register"):
        store.id_of("JobControl")


def test_a_registry_that_is_away_is_an_outage(deaf_port: int) -> None:
    store = RegistryStore(f"http://127.0.0.1:{deaf_port}/apis/ccompat/v7")
    with pytest.raises(Outage, match="away"):
        store.id_of("JobControl")
    with pytest.raises(Outage, match="away"):
        store.schema_of(1)


def test_what_the_registry_does_not_have_is_asked_for_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], list[int]()

    def answer(_: RegistryStore, schema_id: int) -> str:
        asked.append(schema_id)
        raise Poison(f"unknown schema id {schema_id}")

    monkeypatch.setattr(RegistryStore, "_text_of", answer)
    monkeypatch.setattr(schema_registry, "MOST_UNKNOWN", 10)
    store = RegistryStore("http://127.0.0.1:1", clock=lambda: now[0])

    def ask(schema_id: int) -> None:
        with pytest.raises(Poison, match=f"unknown schema id {schema_id}"):
            store.schema_of(schema_id)

    for now[0] in (0.0, 1.0, UNKNOWN_SECONDS - 1):
        ask(7)
    assert asked == [7]
    now[0] = UNKNOWN_SECONDS
    ask(7)
    assert asked == [7, 7]
    for schema_id in range(100):
        ask(schema_id)
        assert len(store._unknown) <= 10


def test_what_is_written_can_be_read_without_asking(registered: str) -> None:
    serde = Serde(RegistryStore(registered))
    value = serde.encode(SAMPLES["JobControl-full"])
    assert serde.at_hand(value)
    assert not Serde(RegistryStore(registered)).at_hand(value)


def test_a_catalog_has_no_schemas_of_other_teams(registered: str, client: SchemaRegistryClient) -> None:
    foreign = own_subject(
        client, with_field(name=f"secret_{uuid.uuid4().hex[:8]}", type=["null", "string"], default=None)
    )
    catalog = RegistryCatalog(registered)
    assert catalog.text_of(foreign) is None
    ours = {each.schema_id: each.text for subject in subjects() for each in catalog.versions(subject)}
    assert set(register_all(registered).values()) <= set(ours)
    assert {schema_id: catalog.text_of(schema_id) for schema_id in ours} == ours


def test_a_catalog_asks_for_what_may_have_changed_alone(
    registered: str, subject: str, client: SchemaRegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = 0.0, list[str]()
    ask = SchemaRegistryClient.get_version

    def counting(self: SchemaRegistryClient, subject: str, version: int) -> Any:
        asked.append(f"{subject} {version}")
        return ask(self, subject, version)

    monkeypatch.setattr(SchemaRegistryClient, "get_version", counting)
    monkeypatch.setattr(schema_registry, "subjects", lambda: {subject: "JobControl"})
    catalog = RegistryCatalog(registered, clock=lambda: now)
    (first,) = catalog.versions(subject)
    grown = avro(with_field(name="reason", type=["null", "string"], default=None))
    second = client.register_schema(subject, grown)
    assert catalog.text_of(second) is None
    assert catalog.versions(subject) == [first]
    now = LISTED_SECONDS
    assert catalog.text_of(second) is not None
    assert [each.schema_id for each in catalog.versions(subject)] == [first.schema_id, second]
    assert asked == [f"{subject} 1", f"{subject} 2"]


def test_a_catalog_asks_a_registry_that_is_away_once_in_a_while(
    deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [0.0], list[str]()
    open_client = schema_registry._client

    def counting(url: str) -> SchemaRegistryClient:
        asked.append(url)
        return open_client(url)

    monkeypatch.setattr(schema_registry, "_client", counting)
    catalog = RegistryCatalog(f"http://127.0.0.1:{deaf_port}/apis/ccompat/v7", clock=lambda: now[0])
    for now[0] in (0.0, 1.0, LISTED_SECONDS):
        with pytest.raises(Outage, match="away"):
            catalog.text_of(1)
    assert len(asked) == 2


class _Nothing(BaseHTTPRequestHandler):
    """A server that is something else."""

    disable_nagle_algorithm = True

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_error(404)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_a_server_that_is_no_registry_is_told_apart() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        for ask in (lambda: register_all(url), lambda: check(url), lambda: RegistryStore(url).id_of("JobControl")):
            with pytest.raises(Outage, match="is no schema registry"):
                ask()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_setting_chooses_where_ids_come_from(registered: str) -> None:
    event = SAMPLES["JobResult-completed"]
    own, shared = serde_for(load(KafkaSettings)), serde_for(load(KafkaSettings, schema_registry_url=registered))
    assert own.encode(event) == Serde().encode(event)
    assert shared.encode(event) == Serde(RegistryStore(registered)).encode(event)
