"""A job that runs on the real engine stops when its client says so, and its end is told like any other."""

import time
from pathlib import Path

import numpy as np
import pytest

from deploy.local.receiver import Receiver
from deploy.local.recordings.encoding import encode
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE
from schemas.events import Channels, JobResult, Outcome
from schemas.topics import RESULTS
from tests.recordings import MONO
from tests.system.client import SERDE, Client

MINUTES = 10


@pytest.fixture
def long_talk(tmp_path: Path) -> Path:
    """The same conversation again and again."""
    decode(MONO.path, tmp_path / "samples.npy", Channels.MIX, 600.0, lambda _: None)
    once = load(tmp_path / "samples.npy")
    path = tmp_path / "long.wav"
    # four bits a sample are below the limit of uploads, and cost no time to make
    encode(np.tile(once, (MINUTES * 60 * SAMPLE_RATE // len(once), 1)), path, "adpcm_ima_wav", SAMPLE_RATE)
    return path


def test_a_running_job_stops_and_its_webhook_says_so(client: Client, receiver: Receiver, long_talk: Path) -> None:
    job_id = client.upload(long_talk, language="en", webhook_url=receiver.url)
    path = f"/api/v1/jobs/{job_id}"
    deadline = time.monotonic() + 60
    while not client.http.get(path).json()["progress"]["done_seconds"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert client.http.delete(path).status_code == 202
    job = client.wait(job_id)
    assert (job["state"], job["result"], job["error"]) == ("cancelled", None, None)
    assert 0 < job["progress"]["done_seconds"] < 0.9 * MINUTES * 60
    assert client.http.get(f"{path}/transcript").json()["code"] == "cancelled"
    assert receiver.wait(lambda calls: len(calls) == 1, 90)
    results = [SERDE.decode(record.value, JobResult) for record in client.records(RESULTS)]
    assert [result.outcome for result in results if result.job_id == job_id] == [Outcome.CANCELLED]
    assert client.http.delete(path).status_code == 200
