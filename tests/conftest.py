"""Real Kafka, PostgreSQL and S3 for tests: those of SCRIBE_TEST_STACK, else started here and ended with the session."""

import gc
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import hypothesis
import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.registry import is_at_hand
from deploy.local.stack import Stack
from schemas.settings.stores import ObjectStoreSettings
from sink.objects.s3 import S3ObjectStore
from sink.postgres.migrate import migrate
from tests import version_before
from tests.database_cases import RunCase, case_runner

# it imports its parts when they are first used; pytest rewrites them, for which Python 3.11 must not parse in two threads
for _name in dir(anyio):
    getattr(anyio, _name)

TopicFactory = Callable[..., str]
# properties are judged by their examples, not by how busy the machine is
hypothesis.settings.register_profile(
    "random", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
# one commit, one verdict: what `deploy/test` runs draws the same examples each time
hypothesis.settings.register_profile(
    "repeatable", hypothesis.settings.get_profile("random"), derandomize=True, database=None
)
hypothesis.settings.load_profile("random")
pytest_plugins = ("tests.hanging", "tests.distribution", "tests.minute")
MARKERS = {"kafka": "kafka", "postgres_server": "postgres", "s3_server": "s3", "registry_url": "registry"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the parts that its fixtures need, so that `-m 'not kafka'` and its like work."""
    for item in items:
        for name in getattr(item, "fixturenames", ()):
            if name in MARKERS:
                item.add_marker(MARKERS[name])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the collector of garbage what all tests and their libraries are made of: it stays, and looking at it costs time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The parts themselves, shared by all tests: none may stop or restart them."""
    if folder := os.environ.get("SCRIBE_TEST_STACK"):
        yield Stack.attach(Path(folder))
        return
    registry = any("registry" in item.keywords for item in request.session.items) and is_at_hand()
    with Stack(tmp_path_factory.mktemp("stack"), registry=registry, durable=False) as started:
        yield started


@pytest.fixture
def private_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that only this test has, to be killed, paused and restarted as it likes."""
    with Stack(tmp_path / "stack", durable=False) as started:
        yield started


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody can begin to until the test is over."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> str:
    """The bootstrap address."""
    return stack.kafka_bootstrap


@pytest.fixture(scope="session")
def topic_admin(kafka: str) -> AdminClient:
    """The client that makes topics; kept, because futures of a collected client fail."""
    # silent: what it said would stand among the words of a command that a test looks at
    return AdminClient({"bootstrap.servers": kafka, "log_level": 0})


def create(admin: AdminClient, topic: NewTopic) -> None:
    """Make a topic and wait until the broker knows of it: what the controller answers comes a moment before."""
    admin.create_topics([topic], operation_timeout=90)[topic.topic].result()
    while topic.topic not in admin.list_topics(timeout=90).topics:
        time.sleep(0.01)


@pytest.fixture
def fresh_topic(topic_admin: AdminClient) -> Iterator[TopicFactory]:
    """Make a topic that no other test has: `fresh_topic(partitions=4, name="jobs", config={...}) -> name`."""
    made: list[str] = []

    def make(partitions: int = 4, *, name: str = "topic", config: dict[str, str] | None = None) -> str:
        topic = f"test.{name}.{uuid.uuid4().hex[:8]}"
        new = NewTopic(topic, partitions, 1, config=config or {})
        create(topic_admin, new)
        made.append(topic)
        return topic

    yield make
    if made:
        for deletion in topic_admin.delete_topics(made).values():
            deletion.result()


@pytest.fixture(scope="session")
def postgres_server(stack: Stack) -> Stack:
    """The stack, for tests that need its database server."""
    return stack


@pytest.fixture(scope="session")
def _migrated(postgres_server: Stack) -> Iterator[str]:
    """The name of a migrated database, from which the others are copied."""
    name = f"template_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        # the role of tenants belongs to the whole server, and another session may be about to make it
        connection.execute("SELECT pg_advisory_lock(1)")
        migrate(postgres_server.postgres_dsn(name))
        connection.execute("SELECT pg_advisory_unlock(1)")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _dropped_later(postgres_server: Stack) -> Iterator[Callable[[str], object]]:
    """Drops databases beside the tests: it takes a minute when the server waits for a client that another test has frozen."""

    def drop(name: str) -> None:
        with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    with ThreadPoolExecutor(1, "drop databases") as executor:
        yield lambda name: executor.submit(drop, name)


@pytest.fixture
def database(postgres_server: Stack, _migrated: str, _dropped_later: Callable[[str], object]) -> Iterator[str]:
    """The DSN of a migrated database without rows."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_migrated}")
    yield postgres_server.postgres_dsn(name)
    _dropped_later(name)


@pytest.fixture
def run_case(database: str) -> RunCase:
    """Runs a case on the database of a test."""
    return case_runner(database)


@pytest.fixture(scope="session")
def s3_server(stack: Stack) -> Stack:
    """The stack, for tests that need its object store."""
    return stack


@pytest.fixture
def bucket(s3_server: Stack) -> str:
    """The name of an empty bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    client = s3_server.s3.client()
    client.create_bucket(Bucket=name)
    client.close()
    return name


@pytest.fixture
def object_store(s3_server: Stack, bucket: str) -> Iterator[S3ObjectStore]:
    """An object store on an empty bucket."""
    values = {
        "s3_endpoint": s3_server.s3_endpoint,
        "s3_bucket": bucket,
        "s3_access_key": s3_server.s3_access_key,
        "s3_secret_key": s3_server.s3_secret_key,
    }
    store = S3ObjectStore(ObjectStoreSettings.model_validate(values))
    yield store
    store.close()


@pytest.fixture(scope="session")
def code_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the version before."""
    try:
        return version_before.unpack(tmp_path_factory.mktemp("before"))
    except version_before.NotHere as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def registry_url(stack: Stack) -> str:
    """The Confluent-compatible address of the schema registry."""
    if "registry" not in stack.components:
        pytest.skip("the schema registry does not run: not fetched, or SCRIBE_TEST_STACK was started without it")
    return stack.registry_url
