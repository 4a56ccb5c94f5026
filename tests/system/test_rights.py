"""The whole service on real engines, over TLS and SCRAM: a user for each process, with the rights that `scribe` gave."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deploy.local.receiver import Receiver
from deploy.local.service import COMMANDS, ServiceProcesses
from producers.kafka.admin import TopicAdmin
from producers.kafka.publisher import Publisher
from producers.kafka.topic_plan import Create
from schemas.events import JobRequested, Options, Source
from schemas.topics import JOBS, JOBS_EXPRESS, RESULTS
from schemas.wire.headers import RESULTS_TO
from schemas.wire.records import record_of
from schemas.wire.serde import transcript_from_json
from sink.records.kafka.rights import Grant, Operation, Resource, Right, grants
from tests.chaos.secure_stack import SecureStack, used
from tests.integration.faust_process import until
from tests.recordings import MONO
from tests.scoring import word_error_rate
from tests.system.client import SERDE, SMALL, Client
from tests.system.media_server import MediaServer

pytestmark = pytest.mark.long
ELSEWHERE = f"{RESULTS}.elsewhere"
ONLY_HERE = [
    Grant("relay", Right(Resource.TOPIC, JOBS_EXPRESS, Operation.WRITE)),
    Grant("gpu", Right(Resource.TOPIC, JOBS_EXPRESS, Operation.READ)),
    Grant("gpu", Right(Resource.TOPIC, f"{RESULTS}.", Operation.WRITE, prefixed=True)),
    *grants(processes=["upstream"]),
]
"""What tests/chaos/test_rights.py does not come to use."""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureStack]:
    with SecureStack(tmp_path_factory.mktemp("secure") / "stack") as stack:
        yield stack


@pytest.fixture(scope="module")
def secure_client(secure: SecureStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    own = {name: secure.process_environment(name) for name in COMMANDS}
    # one stage: the rights of both are those of tests/chaos/test_rights.py, and the diarizer takes long to load
    commands = {**COMMANDS, "gpu": ("gpu_consumers", "--stages", "transcribe")}
    folder = tmp_path_factory.mktemp("service")
    service = ServiceProcesses(secure.environment() | SMALL, folder, commands=commands, own=own)
    try:
        key = service.prepare()
        given = service.command("topics", "acls", "--apply").stdout
        assert f"{len(grants())} rights, 0 of them were there already" in given
        assert f"{len(grants())} rights, {len(grants())} of them" in service.command("topics", "acls", "--apply").stdout
        service.start()
        service.wait_ready(seconds=300)
        service.wait_for_consent()
        with Client(service, key) as client:
            yield client
    finally:
        service.stop()


def scribe(client: Client, secure: SecureStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as the operator."""
    environment = client.service.process_environment() | secure.process_environment("operator")
    command = [sys.executable, "-m", "producers", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_a_recording_goes_through_with_the_rights_of_the_table(
    secure: SecureStack, secure_client: Client, receiver: Receiver
) -> None:
    """By REST as an express job, and by Kafka as an upstream system does, once with its result elsewhere."""
    client = secure_client
    job_id = client.upload(MONO.path, webhook_url=receiver.url, language="en", priority="express", diarize="false")
    assert client.wait(job_id)["state"] == "completed"
    transcript = transcript_from_json(client.transcript(job_id).json())
    assert word_error_rate(MONO.text, transcript.text) <= 0.15
    assert receiver.wait(lambda calls: bool(calls), 90)

    TopicAdmin(secure.user_settings("operator")).create([Create(ELSEWHERE, 1, {})], -1)
    with MediaServer({"call.opus": MONO.path.read_bytes()}) as server:
        request = JobRequested(
            job_id=uuid4(),
            tenant="demo",
            source=Source(uri=server.url("call.opus")),
            options=Options(language="en", diarize=False),
            requested_at=datetime.now(UTC),
        )
        records = [
            record_of(SERDE, topic, replace(request, job_id=job), "upstream", request.requested_at)
            for topic, job in ((JOBS, request.job_id), (JOBS_EXPRESS, uuid4()), (JOBS, uuid4()))
        ]
        records[2] = replace(records[2], headers={**records[2].headers, RESULTS_TO: ELSEWHERE})
        with Publisher(secure.user_settings("upstream"), "upstream") as publisher:
            publisher.publish(*records)
        assert client.wait(request.job_id)["state"] == "completed"
        until("the result elsewhere", lambda: bool(client.records(ELSEWHERE)))
    for command in (("topics", "check"), ("dlq", "list"), ("tenants", "list"), ("why", str(job_id), "--direct")):
        done = scribe(client, secure, *command)
        assert done.returncode == 0, (command, done.stderr)
    allowed, denied = secure.asked()
    assert not denied, sorted(map(str, denied))
    assert set(ONLY_HERE) <= used(allowed, ONLY_HERE)
