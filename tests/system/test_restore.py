"""A dump of the database and a copy of the object store, both lost, and the service that comes back from them."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest

from deploy.local.postgres import binaries
from deploy.local.receiver import Receiver
from deploy.local.s3 import BUCKET
from deploy.local.service import TENANT, ServiceProcesses
from deploy.local.stack import Stack
from tests.recordings import MONO
from tests.system.client import Client
from tests.system.media_server import MediaServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.long
PROCESSES = ("api", "relay", "gpu", "persist", "webhooks", "dispatch", "ai")


class Dump:
    """A dump of the database, made while the service runs."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.at = datetime.now(UTC)
        self._stack = stack
        self._file = folder / "database.dump"
        run([binaries() / "pg_dump", "--format=custom", f"--file={self._file}", stack.postgres_dsn()], check=True)

    def restore(self) -> None:
        """Fill an empty database."""
        command = [str(binaries() / "pg_restore"), "--exit-on-error", f"--dbname={self._stack.postgres_dsn()}"]
        run([*command, str(self._file)], check=True)


class Copy:
    """A copy of the bucket as its provider keeps one: it holds whatever the service wrote."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.s3.client()
        self._objects = dict(_objects(self._client, BUCKET))

    def restore(self) -> None:
        """Put every object back."""
        for name, content in self._objects.items():
            self._client.put_object(Bucket=BUCKET, Key=name, Body=content)


def _objects(client: "S3Client", bucket: str) -> Iterator[tuple[str, bytes]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", ()):
            yield found["Key"], client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()


def lose_everything(stack: Stack) -> None:
    """An empty database, an empty bucket; Kafka is what is left."""
    name = psycopg.conninfo.conninfo_to_dict(stack.postgres_dsn())["dbname"]
    with psycopg.connect(stack.postgres_dsn("template1"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    client = stack.s3.client()
    for key, _ in list(_objects(client, BUCKET)):
        client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture
def client(private_stack: Stack, tmp_path: Path) -> Iterator[Client]:
    """A service whose servers may lose all that they have."""
    environment = {
        **private_stack.environment(),
        "SCRIBE_INLINE_MAX_BYTES": "6000",  # so that transcripts are objects too
        "SCRIBE_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    service = ServiceProcesses(environment, tmp_path / "service", names=PROCESSES)
    try:
        key = service.prepare()
        service.start()
        service.wait_ready()
        with Client(service, key) as client:
            yield client
    finally:
        service.stop()


def sent(receiver: Receiver) -> Mapping[str, int]:
    """How often each webhook came, by its id."""
    return Counter(call.webhook_id for call in receiver.calls)


@pytest.mark.timeout(400)
def test_what_a_dump_does_not_hold_comes_back_from_kafka(client: Client, private_stack: Stack, tmp_path: Path) -> None:
    """Every job ends once with the transcript it had; a webhook is sent again only if it was after the dump, under its id."""
    service = client.service
    with Receiver() as receiver, MediaServer({"call.opus": MONO.path.read_bytes()}) as media:
        # given: jobs that end before a dump, jobs that end after it, and one that nobody has worked on
        before = [client.upload(MONO.path, webhook_url=receiver.url) for _ in range(3)]
        texts = {job: _text(client, job) for job in before}
        assert receiver.wait(lambda calls: len({call.webhook_id for call in calls}) == 3, 90)
        delivered_before = set(sent(receiver))
        dump = Dump(private_stack, tmp_path)
        after = [client.upload(MONO.path, webhook_url=receiver.url) for _ in range(2)]
        texts |= {job: _text(client, job) for job in after}
        assert receiver.wait(lambda calls: len({call.webhook_id for call in calls}) == 5, 90)
        forgotten = before.pop()
        assert client.http.delete(f"/api/v1/jobs/{forgotten}", params={"erase": "true"}).status_code == 202
        service.stop("gpu")
        url = media.url("call.opus")
        waiting = client.submit(url=url, webhook_url=receiver.url).json()["job_id"]
        _published(client)

        # when: database and object store lose everything, and come back from dump and copy
        service.stop()
        copy = Copy(private_stack)
        lose_everything(private_stack)
        dump.restore()
        copy.restore()
        service.command("database", "rewind", "--to", dump.at.isoformat())
        for erased in _erased(service):
            service.command("erase", erased, "--tenant", TENANT)
        service.start()
        service.wait_ready()

        # then
        assert client.wait(waiting)["state"] == "completed"
        del texts[forgotten]
        assert {job: _text(client, job) for job in texts} == texts
        assert client.http.get(f"/api/v1/jobs/{forgotten}").status_code == 404
        jobs = [*texts, waiting, forgotten]
        assert receiver.wait(lambda calls: len({call.webhook_id for call in calls}) == len(jobs), 90)
        assert {sent(receiver)[each] for each in delivered_before} == {1}
        assert max(sent(receiver).values()) <= 2
        assert len(sent(receiver)) == len(jobs)
        results = Counter(str(result.job_id) for result in client.results(*map(_uuid, jobs)))
        assert results == {str(job): 1 for job in jobs}


def _erased(service: ServiceProcesses) -> list[str]:
    """Jobs that were erased, by the log of the shim."""
    lines = (json.loads(line) for line in service.log("api").read_text().splitlines() if line.startswith("{"))
    return [line["job_id"] for line in lines if line["event"] == "erased"]


def _uuid(job: object) -> UUID:
    return UUID(str(job))


def _text(client: Client, job: UUID) -> str:
    assert client.wait(job)["state"] == "completed"
    answer = client.transcript(job, "txt")
    assert answer.status_code == 200, answer.text
    return answer.text


def _published(client: Client) -> None:
    """Wait until the relay has brought every job to Kafka."""
    deadline = time.monotonic() + 60
    while client.query("SELECT FROM outbox WHERE published_at IS NULL") and time.monotonic() < deadline:
        time.sleep(0.05)
