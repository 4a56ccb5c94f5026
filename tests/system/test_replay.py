"""`scribe replay` and `scribe dlq` beside the whole service: through both GPU stages, persist, webhooks and the dispatcher."""

import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.receiver import Receiver
from schemas.events import JobResult, Outcome
from schemas.topics import JOBS, TRANSCRIBERS, dlq_topic
from schemas.wire.headers import REPLAY_ID
from schemas.wire.records import Record
from tests.recordings import HEBREW
from tests.system.client import SERDE, Client
from tests.system.sound import write_beginning

TRIAL = "scribe.results.trial"


def scribe(client: Client, *words: str) -> str:
    """What an operator's command prints."""
    done = command(client, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(client: Client, *words: str) -> subprocess.CompletedProcess[str]:
    """An operator's command, as it ended."""
    argv = [sys.executable, "-m", "producers", *words]
    return subprocess.run(argv, env=client.service.environment, capture_output=True, text=True, check=False)


def ended(client: Client, job_id: UUID, run: int) -> dict[str, object]:
    """The job once that run has ended."""
    deadline = time.monotonic() + 60
    while (job := client.wait(job_id))["run"] != run:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def test_a_job_is_done_aside_and_then_again(client: Client, receiver: Receiver, tmp_path: Path) -> None:
    """Aside nothing changes; again it ends as the next run, with the same words and one more webhook."""
    admin = AdminClient({"bootstrap.servers": client.bootstrap})
    admin.create_topics([NewTopic(TRIAL, 2, 1, config={"retention.ms": "3600000"})])[TRIAL].result()
    two_voices = write_beginning(HEBREW.path, HEBREW.said[3].end, tmp_path / "two-voices.wav")
    job_id = client.upload(two_voices, webhook_url=receiver.url, language="he")
    first, words = client.wait(job_id), client.transcript(job_id, "txt").text
    assert receiver.wait(lambda calls: len(calls) == 1, 90)

    assert scribe(client, "replay", "--job", str(job_id), "--results", TRIAL).startswith("1 replayed")
    deadline = time.monotonic() + 60
    while not (aside := client.records(TRIAL)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    result = SERDE.decode(aside[0].value, JobResult)
    assert (result.run, result.outcome, result.speakers) == (2, Outcome.COMPLETED, ("SPEAKER_00", "SPEAKER_01"))
    assert UUID(aside[0].headers[REPLAY_ID])
    assert client.wait(job_id) == first

    assert scribe(client, "replay", "--job", str(job_id)).startswith("1 replayed")
    assert ended(client, job_id, 3)["state"] == "completed"
    assert client.transcript(job_id, "txt").text == words
    assert receiver.wait(lambda calls: len(calls) == 2, 90)
    assert sorted(found.run for found in client.results(job_id)) == [1, 3]


def test_undecodable_bytes_come_back_to_their_group_only(client: Client) -> None:
    """They are no better than before, so they are a new dead letter, and persist has its one still."""
    key = str(uuid4())
    client.send(Record(JOBS, key.encode(), b"not avro at all"))

    def letters(count: int) -> int:
        deadline = time.monotonic() + 30
        while (found := _letters(client, key)) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    assert letters(2) == 2
    redrive = ("dlq", "redrive", "--group", "transcribers", "--job", key)
    refused = command(client, *redrive)
    assert (refused.returncode, "nobody can read it" in refused.stderr) == (1, True)
    assert scribe(client, *redrive, "--unreadable").startswith("1 redriven")
    assert letters(3) == 3
    assert scribe(client, "dlq", "discard", "--job", key, "--group", "persist").startswith("1 discarded")


def _letters(client: Client, key: str) -> int:
    topics = (dlq_topic(TRANSCRIBERS), "scribe.persist.dlq")
    return sum(record.key == key.encode() for topic in topics for record in client.records(topic))
