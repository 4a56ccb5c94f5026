"""What can be seen of a job from outside: one trace over all processes, lines of one schema, counts that add up."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from deploy.local import ports
from deploy.local.receiver import Receiver
from deploy.local.service import OURS
from schemas.process.log_line import LogLine
from schemas.wire.headers import new_traceparent, trace_id
from tests.collector import CollectedSpan, Collector
from tests.system.client import Client

STEPS = {
    ("scribe-rabbit-api", "POST /api/v1/transcribe/upload"),
    ("scribe-rabbit-relay", "send scribe.jobs"),
    ("scribe-rabbit-gpu", "process scribe.jobs"),
    ("scribe-rabbit-gpu", "transcribe"),
    ("scribe-rabbit-gpu", "process scribe.transcripts"),
    ("scribe-rabbit-gpu", "diarize"),
    ("scribe-rabbit-persist", "process scribe.jobs"),
    ("scribe-rabbit-persist", "process scribe.results"),
    ("scribe-rabbit-webhooks", "process scribe.results"),
    ("scribe-rabbit-enhance", "process scribe.results"),
    ("scribe-rabbit-dispatch", "webhook"),
}


def submit(client: Client, path: Path, parent: str, **fields: str) -> UUID:
    with path.open("rb") as file:
        answer = client.http.post(
            "/api/v1/transcribe/upload",
            files={"file": (path.name, file)},
            data=fields,
            headers={"traceparent": parent},
        )
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["job_id"])


def steps(spans: list[CollectedSpan]) -> set[tuple[str, str]]:
    return {(span.service, span.name) for span in spans}


def test_a_job_is_one_trace_from_request_to_webhook(client: Client, collector: Collector, short_call: Path) -> None:
    """Through every process, an attempt of the webhook that fails, and the one after it."""
    parent = new_traceparent()
    trace = str(trace_id(parent))
    answers = iter([503])
    with Receiver(lambda _: next(answers, 204)) as receiver:
        job_id = submit(client, short_call, parent, webhook_url=receiver.url)
        assert client.wait(job_id)["state"] == "completed"
        assert receiver.wait(lambda calls: len(calls) >= 2, 60)
    assert collector.wait(lambda: steps(collector.of_trace(trace)) >= STEPS and len(webhooks(collector, trace)) >= 2)

    spans = collector.of_trace(trace)
    known = {span.span_id for span in spans} | {parent.split("-")[2]}
    assert [span for span in spans if span.parent_id not in known] == [], "each span hangs on one that was told"
    for span in spans:
        if span.name.startswith("process ") or span.name == "webhook":
            assert span.links == (span.parent_id,), span.name
    first, second = webhooks(collector, trace)[:2]
    assert (first.attributes["scribe.attempt"], first.failed) == (1, True)
    assert (second.attributes["scribe.attempt"], second.failed) == (2, False)
    assert {span.attributes.get("scribe.job_id", str(job_id)) for span in spans} == {str(job_id)}
    sent = {call.headers["traceparent"].split("-")[2] for call in receiver.calls}
    assert sent == {first.span_id, second.span_id}, "the receiver can go on with it"


def webhooks(collector: Collector, trace: str) -> list[CollectedSpan]:
    found = [span for span in collector.of_trace(trace) if span.name == "webhook"]
    return sorted(found, key=lambda span: int(str(span.attributes["scribe.attempt"])))


def lines(client: Client) -> Iterator[tuple[str, LogLine]]:
    """Every line that the processes have written so far, parsed strictly."""
    for name in OURS:
        for line in client.service.log(name).read_text().splitlines():
            yield name, LogLine.model_validate_json(line)


def test_every_line_of_every_process_is_of_the_schema(client: Client, receiver: Receiver, short_call: Path) -> None:
    """Start, a job that ends well, one that fails, an end in good order; lines of a job name it, its tenant and trace."""
    parents = {name: new_traceparent() for name in ("good", "bad")}
    good = submit(client, short_call, parents["good"], webhook_url=receiver.url)
    answer = client.http.post(
        "/api/v1/transcribe",
        json={"url": "https://127.0.0.1.invalid/call.wav", "webhook_url": receiver.url},
        headers={"traceparent": parents["bad"]},
    )
    bad = UUID(answer.json()["job_id"])
    assert {client.wait(job)["state"] for job in (good, bad)} == {"completed", "failed"}
    assert receiver.wait(lambda calls: len(calls) >= 2, 60)
    client.service.stop(*OURS)
    client.service.start(*OURS)
    client.service.wait_ready()

    told = list(lines(client))
    assert {name for name, line in told if "ending in good order" in line.event} == set(OURS)
    for job, parent in ((good, parents["good"]), (bad, parents["bad"])):
        of_job = [(name, line) for name, line in told if line.job_id == job]
        assert {line.trace_id for _, line in of_job} == {trace_id(parent)}
        assert {line.tenant for _, line in of_job} == {"demo"}
        assert None not in {line.attempt for _, line in of_job}
        assert "dispatch" in {name for name, _ in of_job}
    assert "gpu" in {name for name, line in told if line.job_id == bad}
    for name, line in told:
        if line.job_id is None:
            assert not re.search(rf"{good}|{bad}", line.event), (name, line)


STATES = ("waiting", "running", "completed", "failed", "expired", "cancelled")


def counted(client: Client) -> tuple[float, dict[str, float]]:
    found = httpx.get(f"http://{ports.HOST}:{client.service.chosen['api']}/metrics", trust_env=False, timeout=90).text
    values = {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in found.splitlines() if line[0] != "#")
    }
    return values["scribe_rabbit_jobs_accepted"], {s: values[f'scribe_rabbit_jobs{{state="{s}"}}'] for s in STATES}


@pytest.mark.timeout(300)
def test_every_job_is_in_one_count_at_every_scrape(client: Client, short_call: Path) -> None:
    """While jobs come and end: as many as were accepted, in one state each."""
    before, _ = counted(client)
    jobs = []
    scrapes = 0
    for number in range(4):
        jobs.append(submit(client, short_call, new_traceparent()))
        accepted, states = counted(client)
        assert accepted == before + number + 1
        assert sum(states.values()) == accepted
    while any(client.http.get(f"/api/v1/jobs/{job}").json()["state"] != "completed" for job in jobs):
        accepted, states = counted(client)
        assert (accepted, sum(states.values())) == (before + 4, before + 4)
        scrapes += 1
    assert scrapes > 3
