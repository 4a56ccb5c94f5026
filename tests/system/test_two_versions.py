"""Processes of the version before beside those of this one: one broker, one database, every job once.

Upgrades step by step, and back, are tried by tests.chaos.test_rollouts; here are the real engines and their checkpoints.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from deploy.local.receiver import Receiver
from deploy.local.recordings.encoding import encode
from deploy.local.service import ServiceProcesses
from deploy.local.stack import Stack
from gpu_consumers.audio.samples import SAMPLE_RATE
from schemas.events import JobProgress, JobRequested, Options, Source
from schemas.topics import PROGRESS
from schemas.wire.object_keys import job_prefix
from tests import version_before
from tests.heldout import held_out
from tests.recordings import MONO
from tests.scoring import word_error_rate
from tests.system.client import SERDE, Client
from tests.system.media_server import MediaServer
from tests.system.promises import check_once_each
from tests.system.test_replay import ended

pytestmark = pytest.mark.timeout(900)  # a dozen processes start for the first test
BOTH = ("relay", "gpu", "persist", "enhance", "webhooks", "dispatch")
JOBS = 2
TIMES = 10  # the same conversation again and again: more than a checkpoint, and a transcript that fits into no record
# each process takes its own; what is left names the stack and the keys
OWN = ("SCRIBE_API_PORT", "SCRIBE_API_URL", "SCRIBE_PUBLIC_URL", "SCRIBE_AUDIO_CACHE_DIR")


@pytest.fixture(scope="module")
def before(client: Client, code_before: Path) -> Iterator[Client]:
    """Processes of the version before on the stack of the running service, with a client of their REST shim."""
    environment = {name: value for name, value in client.service.environment.items() if name not in OWN}
    environment |= version_before.environment(code_before)
    folder, commands = code_before / "service", version_before.COMMANDS
    service = ServiceProcesses(environment, folder, ("api", *BOTH), commands=commands, worker="before")
    try:
        service.start()
        service.wait_ready()
        with Client(service, client.http.headers["X-API-Key"]) as door:
            yield door
    finally:
        service.stop()


@pytest.fixture(scope="module")
def media() -> Iterator[MediaServer]:
    """A recording, something that is none, and one whose server is away until somebody puts it there."""
    with MediaServer({"good.opus": MONO.path.read_bytes(), "noise.mp3": bytes(range(256)) * 200}) as server:
        yield server


@pytest.fixture(scope="module")
def away(client: Client, before: Client, media: MediaServer) -> list[UUID]:
    """Jobs of both doors that are tried until they are dead letters."""
    return [UUID(door.submit(url=media.url("later")).json()["job_id"]) for door in (client, before)]


def submitted(door: Client, receiver: Receiver) -> list[UUID]:
    """Jobs with a webhook for their end and one for their summary."""
    return [door.upload(MONO.path, webhook_url=receiver.url, enable_summarization="true") for _ in range(JOBS)]


def published(client: Client, media: MediaServer, file: str) -> UUID:
    """A job that an upstream system sends, which knows of no version."""
    request = JobRequested(
        job_id=uuid4(),
        tenant="demo",
        source=Source(uri=media.url(file)),
        options=Options(language="en"),
        requested_at=datetime.now(UTC),
    )
    client.publish(request)
    return request.job_id


def workers_of(client: Client, jobs: list[UUID]) -> set[str]:
    """The workers that told of progress on these jobs."""
    told = (SERDE.decode(record.value, JobProgress) for record in client.records(PROGRESS))
    return {progress.worker for progress in told if progress.job_id in jobs}


@pytest.mark.usefixtures("away")
def test_two_versions_share_the_work_and_either_goes_on_alone(
    client: Client, before: Client, media: MediaServer, receiver: Receiver
) -> None:
    """Jobs of all doors are read at both; when the new processes end, the old ones know what these left, and back."""
    jobs = submitted(client, receiver) + submitted(before, receiver)
    others = {published(client, media, "good.opus"): None, published(client, media, "noise.mp3"): "not_media"}
    seen = {job: client.wait(job, 180)["state"] for job in jobs}
    assert {job: before.wait(job)["state"] for job in jobs} == seen == dict.fromkeys(jobs, "completed")
    assert [before.transcript(job, "txt").text for job in jobs] == [client.transcript(job, "txt").text for job in jobs]

    client.service.stop(*BOTH)
    alone = submitted(client, receiver)
    others[published(client, media, "noise.mp3")] = "not_media"
    assert {before.wait(job, 180)["state"] for job in alone} == {"completed"}
    assert workers_of(client, alone) == {"before-gpu"}

    client.service.start(*BOTH)
    client.service.wait_ready(BOTH)
    before.service.stop(*BOTH)
    again = submitted(before, receiver)
    assert {client.wait(job, 180)["state"] for job in again} == {"completed"}
    assert workers_of(client, again) == {"local-gpu"}

    every = jobs + alone + again
    assert receiver.wait(lambda calls: len({call.webhook_id for call in calls}) >= 2 * len(every), 120)
    check_once_each(client, receiver, every)
    errors = {job: (client.wait(job)["error"] or {}).get("code") for job in others}
    assert errors == {job: before.wait(job)["error"] and code for job, code in others.items()}
    assert Counter(result.job_id for result in client.results(*others)) == dict.fromkeys(others, 1)


def wait_for_another_checkpoint(stack: Stack, job: UUID) -> None:
    """Until a process has left one more in the middle of a job."""
    bucket, prefix = stack.environment()["SCRIBE_S3_BUCKET"], f"{job_prefix('demo', job)}checkpoints/"
    first, deadline = None, time.monotonic() + 120
    with closing(stack.s3.client()) as s3:
        while True:
            now = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"]
            first = now if first is None else first
            if now > first:
                return
            assert time.monotonic() < deadline, f"still {now} checkpoints"
            time.sleep(0.02)


def resumed(door: Client, job: UUID) -> list[str]:
    """What a GPU process said of the checkpoints of others."""
    lines = (json.loads(line) for line in door.service.log("gpu").read_text().splitlines() if str(job) in line)
    return [line["event"] for line in lines if line["event"].startswith("going on after")]


def test_a_recording_goes_on_in_the_other_version_where_a_killed_process_left_it(
    client: Client, before: Client, system_stack: Stack, tmp_path: Path
) -> None:
    """From this version to the one before and back; the transcript is whole, and too long for a record."""
    if "gpu" in before.service.running:
        before.service.stop("gpu")
    spoken = held_out()[0].conversation
    encode(np.tile(spoken.mono, TIMES)[:, None], tmp_path / "long.opus", "libopus", SAMPLE_RATE, bits_per_second=32_000)
    job = client.upload(tmp_path / "long.opus", language="en")

    wait_for_another_checkpoint(system_stack, job)
    client.service.kill("gpu")
    before.service.start("gpu")
    wait_for_another_checkpoint(system_stack, job)
    before.service.kill("gpu")
    client.service.start("gpu")

    assert before.wait(job, 180)["state"] == "completed"
    assert resumed(before, job)
    assert resumed(client, job)
    [result] = client.results(job)
    assert result.claim_check is not None
    said = " ".join([u.text for u in spoken.utterances] * TIMES)
    assert word_error_rate(said, " ".join(s["text"] for s in before.transcript(job).json()["segments"])) <= 0.15
    assert before.transcript(job, "txt").text == client.transcript(job, "txt").text


def test_what_was_set_aside_is_redriven_by_either_version(
    client: Client, before: Client, media: MediaServer, away: list[UUID]
) -> None:
    assert {client.wait(job, 180)["error"]["code"] for job in away} == {"retries_exhausted"}
    media.files["later"] = MONO.path.read_bytes()
    for door, job in zip((before, client), away, strict=True):
        assert door.service.command("dlq", "redrive", "--job", str(job)).stdout.startswith("1 redriven")
    assert {ended(client, job, 2)["state"] for job in away} == {"completed"}
