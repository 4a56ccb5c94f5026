"""Secrets and personal data stay where they were put, whatever fails: none in logs, metrics, traces and error texts."""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from deploy.local import ports
from deploy.local.receiver import Receiver
from deploy.local.service import OURS
from deploy.local.stack import Stack
from schemas.events import JobControl, JobRequested, JobResult, Options, Outcome, Source, TenantPolicy
from schemas.topics import CONTROL, JOBS, PERSIST, RESULTS, TENANTS, TRANSCRIBERS, dlq_topic
from schemas.wire.headers import ERROR_MESSAGE
from schemas.wire.records import Record
from sink.process import span_names
from tests.collector import Collector
from tests.system.client import SERDE, Client, running
from tests.system.media_server import PAGE, MediaServer
from tests.system.planted import PlantedWords

LEAST_SECRETS, LEAST_PATHS = 50, 30
pytestmark = pytest.mark.long
AT = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Scene:
    """What a path has at hand: it plants words, and notes the jobs that are to fail and the error texts it gets."""

    client: Client
    media: MediaServer
    planted: PlantedWords
    hook: str
    jobs: list[UUID] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def word(self, place: str) -> str:
        return self.planted.new(place)

    def post(self, path: str = "/api/v1/transcribe", **request: object) -> None:
        """A request; its job, if one is made, is to fail."""
        answer = self.client.http.post(path, **request)  # type: ignore[arg-type]
        if answer.status_code == 202:
            self.jobs.append(UUID(answer.json()["job_id"]))
        else:
            assert answer.status_code >= 400, answer.text
            self.texts.append(answer.text)

    def fetch(self, name: str, place: str, **fields: object) -> None:
        """A job whose recording is fetched from the media server with a signature in its address."""
        url = self.media.url(f"{name}?signature={self.word(f'query, {place}')}#{self.word(f'fragment, {place}')}")
        self.post(json={"url": url, **fields})

    def publish(self, request: JobRequested) -> None:
        self.jobs.append(request.job_id)
        self.client.publish(request)

    def request(self, uri: str, **values: object) -> JobRequested:
        made = JobRequested(job_id=uuid4(), tenant="demo", source=Source(uri=uri), requested_at=datetime.now(UTC))
        return replace(made, **values)  # type: ignore[arg-type]

    def send(self, topic: str, value: bytes | None, key: bytes | None = b"key", **headers: str) -> None:
        self.client.send(Record(topic, key, value, headers))


Path_ = Callable[[Scene], None]
BODY = {"url": "https://media.example/call.wav"}


def conflicting(scene: Scene) -> None:
    first = scene.request(scene.media.url("missing.wav"))
    scene.publish(first)
    scene.client.publish(replace(first, source=Source(uri=f"https://a.example/?key={scene.word('second request')}")))


def foreign_result(scene: Scene) -> None:
    """Of a job that another tenant has, with words that nobody may read."""
    request = scene.request("https://media.example/x.wav", tenant="stranger")
    result = JobResult(
        event_id=uuid4(),
        job_id=request.job_id,
        run=1,
        tenant="somebody-else",
        request=replace(request, metadata={"patient": scene.word("metadata of a foreign result")}),
        outcome=Outcome.COMPLETED,
        completed_at=AT,
    )
    scene.send(RESULTS, SERDE.encode(result), str(request.job_id).encode())


def torn(value: bytes, word: str) -> bytes:
    """An event that ends in the middle, with a word in what is left."""
    return value[:5] + struct.pack(">I", 7) + word.encode() + value[5:20]


PATHS: dict[str, Path_] = {
    # addresses of recordings
    "user in the address": lambda s: s.post(json={"url": f"https://{s.word('user')}:{s.word('password')}@media.example/a.wav"}),
    "forbidden address": lambda s: s.post(json={"url": f"http://169.254.169.254/?token={s.word('metadata address')}"}),
    "no such host": lambda s: s.post(json={"url": f"https://nobody.invalid/a.wav?sig={s.word('unknown host')}"}),
    "nobody listens": lambda s: s.post(json={"url": f"http://127.0.0.1:9/a.wav?sig={s.word('closed port')}"}),
    "missing recording": lambda s: s.fetch("missing.wav", "404"),
    "a page, not a recording": lambda s: s.fetch("page.html", "page"),
    "a redirect inwards": lambda s: s.fetch("redirect", "redirect"),
    "damaged recording": lambda s: s.fetch("damaged.wav", "damaged", metadata={"patient": s.word("metadata of a damaged one")}),
    "too large": lambda s: s.fetch("large.wav", "large"),
    "foreign object": lambda s: s.post(json={"url": f"s3://other/{s.word('object key')}.wav"}),
    # webhooks
    "webhook nobody hears": lambda s: s.fetch("missing.wav", "hook", webhook_url=f"http://127.0.0.1:9/{s.word('hook path')}?t={s.word('hook query')}"),
    "webhook refused": lambda s: s.post(json={**BODY, "webhook_url": f"http://10.1.2.3/?token={s.word('private hook')}"}),
    "webhook answered 500": lambda s: s.fetch("missing.wav", "hook 500", webhook_url=f"{s.hook}?token={s.word('hook token')}"),
    # bodies
    "no JSON": lambda s: s.post(content=f'{{"url": "{s.word("broken body")}'.encode(), headers={"content-type": "application/json"}),
    "wrong types": lambda s: s.post(json={**BODY, "language": {"name": s.word("value of a wrong type")}, "num_speakers": s.word("word for a number")}),
    "too long a prompt": lambda s: s.post(json={**BODY, "prompt": s.word("prompt") * 2000, "hotwords": s.word("hotwords") * 2000}),
    "metadata too large": lambda s: s.post(json={**BODY, "metadata": {"patient": s.word("value of metadata") * 2000}}),
    "upload of a text": lambda s: s.post("/api/v1/transcribe/upload", files={"file": (f"{s.word('file name')}.wav", f"Dear {s.word('content')}".encode())}),
    "upload in pieces": lambda s: s.post("/api/v1/transcribe/upload", content=f"--x\r\n{s.word('part')}".encode(), headers={"content-type": "multipart/form-data; boundary=x"}),
    # keys and headers
    "wrong key": lambda s: s.post(json=BODY, headers={"X-API-Key": f"sr_live_{s.word('API key')}"}),
    "key in the query": lambda s: s.post(f"/api/v1/transcribe?api_key={s.word('key in a query')}", json=BODY),
    "strange headers": lambda s: s.post(json={"url": "x"}, headers={"X-Request-ID": f"<{s.word('request id')}>", "Authorization": f"Bearer {s.word('bearer')}", "Cookie": f"session={s.word('cookie')}", "traceparent": f"00-{s.word('traceparent')}", "tracestate": s.word("tracestate")}),
    "strange content type": lambda s: s.post(content=b"x", headers={"content-type": f"text/{s.word('content type')}"}),
    "no such transcript": lambda s: s.texts.append(s.client.http.get(f"/api/v1/search?q={s.word('search')}&limit={s.word('limit')}").text),
    # Kafka
    "no event": lambda s: s.send(JOBS, f"my password is {s.word('value of a record')}".encode(), s.word("key of a record").encode(), authorization=s.word("header of a record"), traceparent=s.word("header traceparent")),
    "torn event": lambda s: s.send(JOBS, torn(SERDE.encode(s.request("https://x.example")), s.word("torn event"))),
    "user in the address of an event": lambda s: s.publish(s.request(f"https://{s.word('user of an event')}:{s.word('password of an event')}@media.example/a?k={s.word('query of an event')}")),
    "an event of nonsense": lambda s: s.publish(s.request(s.media.url(f"a?k={s.word('query of nonsense')}"), options=Options(language="xx-nonsense", prompt=s.word("prompt of an event")), webhook_url=f"ftp://{s.word('ftp hook')}", metadata={"name": s.word("metadata of an event")})),
    "two requests of one id": conflicting,
    "a foreign result": foreign_result,
    "a torn result": lambda s: s.send(RESULTS, torn(SERDE.encode(s.request("https://x.example")), s.word("torn result"))),
    "a torn policy": lambda s: s.send(TENANTS, torn(SERDE.encode(TenantPolicy(tenant="x", at=AT)), s.word("torn policy"))),
    "a torn order": lambda s: s.send(CONTROL, torn(SERDE.encode(JobControl(job_id=uuid4(), run=1, tenant="x", action="cancel", by="x", at=AT)), s.word("torn order"))),
}  # fmt: skip


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def client(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a service of its own: what is planted stays in its topics, for whoever reads them next."""
    with (
        Stack(tmp_path_factory.mktemp("planted-stack")) as stack,
        running(stack, collector, tmp_path_factory.mktemp("planted-service")) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def scene(client: Client) -> Iterator[Scene]:
    """Every path, gone once; and what came of it has ended."""
    files = {
        "damaged.wav": b"RIFF\xff\xff\xff\xffWAVEfmt nonsense" * 50,
        "large.wav": bytes(7_000_000),
        "page.html": PAGE,
    }
    with MediaServer(files) as media, Receiver(lambda _: 500) as receiver:
        scene = Scene(client, media, PlantedWords(), receiver.url)
        for path in PATHS.values():
            path(scene)
        for job in scene.jobs:
            assert client.wait(job, 240)["state"] == "failed"
        assert receiver.wait(bool, 60)
        yield scene


def test_there_are_as_many_as_were_promised(scene: Scene) -> None:
    assert len(PATHS) >= LEAST_PATHS
    assert len(scene.planted.places) >= LEAST_SECRETS


@pytest.mark.parametrize("name", OURS)
def test_no_log_has_one(scene: Scene, name: str) -> None:
    text = scene.client.service.log(name).read_text()
    assert text
    assert scene.planted.found_in(text) == set()


@pytest.mark.parametrize("name", OURS)
def test_no_metric_has_one(scene: Scene, name: str) -> None:
    text = httpx.get(
        f"http://{ports.HOST}:{scene.client.service.chosen[name]}/metrics", trust_env=False, timeout=90
    ).text
    assert "scribe_rabbit" in text
    assert scene.planted.found_in(text) == set()


def test_no_span_has_one(scene: Scene, collector: Collector) -> None:
    def told() -> set[str]:
        return {str(span.attributes.get(span_names.JOB_ID)) for span in collector.spans}

    assert collector.wait(lambda: {str(job) for job in scene.jobs} <= told(), 60)
    assert scene.planted.found_in("\n".join(span.raw for span in collector.spans)) == set()


def test_no_error_text_has_one(scene: Scene) -> None:
    """Answers of REST, errors of jobs, errors of webhooks, and what dead letters say of their records."""
    jobs = [scene.client.http.get(f"/api/v1/jobs/{job}").json()["error"] for job in scene.jobs]
    attempts = scene.client.query("SELECT error FROM webhook_attempts WHERE error IS NOT NULL")
    letters = [
        record.headers.get(ERROR_MESSAGE)
        for group in (TRANSCRIBERS, PERSIST)
        for record in scene.client.records(dlq_topic(group))
    ]
    assert jobs
    assert attempts
    assert len(letters) >= 3
    for text in (*scene.texts, json.dumps(jobs), json.dumps(attempts), json.dumps(letters)):
        assert scene.planted.found_in(text) == set(), text


def test_a_word_that_is_there_would_be_found(scene: Scene, tmp_path: Path) -> None:
    word = next(iter(scene.planted.places))
    assert scene.planted.found_in(f"x={word}&") == {scene.planted.places[word]}
