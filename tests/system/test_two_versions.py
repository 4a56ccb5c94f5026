"""Processes of the version before beside those of this one: one broker, one database, every job once.

Upgrades step by step, and back, are tried by tests.chaos.test_rollouts; here are the real engines, and enhancements.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from deploy.local.receiver import Receiver
from deploy.local.service import ServiceProcesses
from schemas.events import JobProgress
from schemas.topics import PROGRESS
from tests import version_before
from tests.recordings import MONO
from tests.system.client import SERDE, Client
from tests.system.promises import check_once_each

GROUPS = ("gpu", "persist", "enhance", "webhooks", "dispatch")
JOBS = 4
# four minutes
pytestmark = pytest.mark.long
# each process takes its own; what is left names the stack and the keys
OWN = ("SCRIBE_API_PORT", "SCRIBE_API_URL", "SCRIBE_PUBLIC_URL", "SCRIBE_AUDIO_CACHE_DIR")


@pytest.fixture(scope="module")
def before(client: Client, code_before: Path) -> Iterator[Client]:
    """Processes of the version before on the stack of the running service, with a client of their REST shim."""
    environment = {name: value for name, value in client.service.environment.items() if name not in OWN}
    environment |= version_before.environment(code_before)
    folder, commands = code_before / "service", version_before.COMMANDS
    service = ServiceProcesses(environment, folder, ("api", *GROUPS), commands=commands, worker="before")
    try:
        service.start()
        service.wait_ready()
        with Client(service, client.http.headers["X-API-Key"]) as door:
            yield door
    finally:
        service.stop()


def submitted(door: Client, receiver: Receiver) -> list[UUID]:
    """Jobs with a webhook for their end and one for their summary."""
    return [door.upload(MONO.path, webhook_url=receiver.url, enable_summarization="true") for _ in range(JOBS)]


def workers_of(client: Client, jobs: list[UUID]) -> set[str]:
    """The workers that told of progress on these jobs."""
    told = (SERDE.decode(record.value, JobProgress) for record in client.records(PROGRESS))
    return {progress.worker for progress in told if progress.job_id in jobs}


@pytest.mark.timeout(400)
def test_two_versions_share_the_work_and_either_goes_on_alone(
    client: Client, before: Client, receiver: Receiver
) -> None:
    """Jobs of both doors are read at both; when the new processes end, the old ones know what these left, and back."""
    jobs = submitted(client, receiver) + submitted(before, receiver)
    seen = {job: client.wait(job, 180)["state"] for job in jobs}
    assert {job: before.wait(job)["state"] for job in jobs} == seen == dict.fromkeys(jobs, "completed")
    assert [before.transcript(job, "txt").text for job in jobs] == [client.transcript(job, "txt").text for job in jobs]

    client.service.stop(*GROUPS)
    alone = submitted(client, receiver)
    assert {before.wait(job, 180)["state"] for job in alone} == {"completed"}
    assert workers_of(client, alone) == {"before-gpu"}

    client.service.start(*GROUPS)
    client.service.wait_ready(GROUPS)
    before.service.stop(*GROUPS)
    again = submitted(before, receiver)
    assert {client.wait(job, 180)["state"] for job in again} == {"completed"}
    assert workers_of(client, again) == {"local-gpu"}

    every = jobs + alone + again
    assert receiver.wait(lambda calls: len({call.webhook_id for call in calls}) >= 2 * len(every), 120)
    check_once_each(client, receiver, every)
