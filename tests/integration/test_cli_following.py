"""`scribe events` and `scribe audio`: what happens to jobs as it happens, and their recordings as files."""

import json
import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from producers.client import Client
from tests.integration.client.breaking import cutting
from tests.integration.commands import Run, Started, for_shim, last_job
from tests.integration.rest import URL
from tests.integration.shim import RunningShim

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def job(shim: RunningShim) -> str:
    with Client(shim.url, shim.key) as api:
        return str(api.submit(URL).job_id)


def uploaded(client: httpx.Client, name: str) -> str:
    answer = client.post("/api/v1/transcribe/upload", files={"file": (name, WAV)})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def test_the_events_of_a_job_end_with_it(shim: RunningShim, job: str, run_here: Run) -> None:
    shim.complete(last_job(shim))
    done = run_here("events", job[:8], **for_shim(shim))
    assert (done.returncode, done.stderr) == (0, "")
    first, last = (re.split(r"  +", line) for line in done.stdout.splitlines())
    assert [first[1:], last[1:]] == [[job, "queued"], [job, "completed"]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", first[0])


def test_events_go_on_behind_the_last_one(shim: RunningShim, job: str, run_here: Run) -> None:
    """By the id that each has."""
    shim.complete(last_job(shim))
    told = [json.loads(line) for line in run_here("events", job, "--json", **for_shim(shim)).stdout.splitlines()]
    states = [event for event in told if event["event"] == "state"]
    assert [event["state"] for event in states] == ["queued", "completed"]
    behind = run_here("events", job, "--after", states[0]["event_id"], "--json", **for_shim(shim))
    assert [each["state"] for each in map(json.loads, behind.stdout.splitlines()) if "state" in each] == ["completed"]
    assert run_here("events", job, "--after", states[1]["event_id"], **for_shim(shim)).stdout == ""
    wrong = run_here("events", "--after", "yesterday", **for_shim(shim))
    assert (wrong.returncode, "is no position of this service" in wrong.stderr) == (2, True), wrong.stderr
    missing = run_here("events", "00000000-0000-4000-8000-000000000000", **for_shim(shim))
    assert (missing.returncode, missing.stdout) == (2, "")


def test_all_jobs_are_followed_until_the_command_is_stopped(shim: RunningShim) -> None:
    """Over a connection that is cut; what it says then goes on there."""
    with cutting(shim.url) as way, Client(shim.url, shim.key) as api:
        following = Started("events", "--json", SCRIBE_API_URL=way.url, SCRIBE_API_KEY=shim.key)
        assert json.loads(following.shown())["event"] == "ready"
        first = api.submit(URL).job_id
        before = json.loads(following.shown())
        way.cut()
        second = api.submit(URL).job_id
        behind = json.loads(following.shown())
        status, rest, said = following.interrupt(signal.SIGINT)
    assert [(each["job_id"], each["state"]) for each in (before, behind)] == [
        (str(first), "queued"),
        (str(second), "queued"),
    ]
    assert (status, rest) == (130, "")
    assert said[-1] == f"the jobs go on; back to this place: scribe events --after {behind['event_id']}"


def test_a_recording_is_a_file_with_its_own_name(
    shim: RunningShim, client: httpx.Client, run_here: Run, here: Path
) -> None:
    job = uploaded(client, "the call.wav")
    done = run_here("audio", job, **for_shim(shim))
    assert (done.returncode, done.stdout, done.stderr) == (0, "the call.wav\n", "")
    assert (here / "the call.wav").read_bytes() == WAV
    again = run_here("audio", job, **for_shim(shim))
    assert (again.returncode, "the call.wav exists" in again.stderr) == (2, True), again.stderr
    named = run_here("audio", job, "-o", "the call.wav", "--json", **for_shim(shim))
    assert json.loads(named.stdout) == {"job_id": job, "path": "the call.wav", "bytes": len(WAV)}


@pytest.mark.parametrize(("name", "kept"), [(".profile", "profile"), ("x" * 255, "x" * 255), ("...", None)])
def test_no_name_is_hidden_or_leads_out_of_the_folder(
    shim: RunningShim, client: httpx.Client, run_here: Run, here: Path, name: str, kept: str | None
) -> None:
    job = uploaded(client, name)
    done = run_here("audio", job, **for_shim(shim))
    assert done.returncode == 0, done.stderr
    assert os.listdir(here) == [kept or job]  # noqa: PTH208 - hidden ones too


def test_a_recording_that_is_not_here_is_no_file(shim: RunningShim, job: str, run_here: Run, here: Path) -> None:
    done = run_here("audio", job, **for_shim(shim))
    assert (done.returncode, done.stdout) == (2, "")
    nowhere = run_here("audio", job, "-o", "nosuch/x.wav", **for_shim(shim))
    assert (nowhere.returncode, "nosuch/x.wav: No such file or directory" in nowhere.stderr) == (2, True)
    assert list(here.iterdir()) == []
