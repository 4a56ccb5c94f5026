"""SIGKILL of any one process in the middle of ten jobs, then a restart: everything ends once."""

import time
from collections import Counter
from pathlib import Path

import pytest

from deploy.local.receiver import Receiver
from deploy.local.service import OURS
from deploy.local.stack import Stack
from tests.recordings import MONO
from tests.system.client import Client
from tests.system.promises import check_once_each

JOBS = 10
COMPONENTS = ("kafka", "postgres", "s3")
# with every run they are killed, restarted or, S3, made to fail by tests/chaos/test_chaos.py, and retention is killed by
# tests/bench/test_retention.py; here they are killed by deploy/check
BROKEN_ELSEWHERE = ("api", "persist", "retention", *COMPONENTS)
EACH = [
    pytest.param(name, marks=pytest.mark.long) if name in BROKEN_ELSEWHERE else name for name in (*OURS, *COMPONENTS)
]


def kill_and_restart(name: str, client: Client, stack: Stack) -> None:
    """As when a machine is lost and the platform starts another."""
    if name in OURS:
        client.service.kill(name)
        client.service.start(name)
        return
    component = getattr(stack, name)
    component.kill()
    component.start()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", EACH)
def test_ten_jobs_survive_the_kill_of(
    name: str, client: Client, system_stack: Stack, receiver: Receiver, short_call: Path
) -> None:
    """Ten results, one visible each, one row each, one enhancement each, one webhook id for each end of the two."""
    hook = receiver.url
    recordings = [*[short_call] * 4, MONO.path, *[short_call] * 5]  # what is tried is the service around the models
    jobs = [client.upload(path, webhook_url=hook, enable_summarization="true") for path in recordings]
    deadline = time.monotonic() + 60
    while not (done := client.results(*jobs)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert 0 < len(done) < JOBS
    kill_and_restart(name, client, system_stack)

    ended = {job: client.wait(job, 180) for job in jobs}
    assert Counter(job["state"] for job in ended.values()) == {"completed": JOBS}
    assert receiver.wait(lambda calls: len({call.webhook_id for call in calls}) >= 2 * JOBS, 120)
    check_once_each(client, receiver, jobs)
