"""The REST shim over real parts: every door, every way to be turned away, and that 202 means durable."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from schemas.events import JobRequested, Source
from schemas.headers import trace_id
from schemas.serde import Serde, transcript_from_json
from sink.keys import revoke_key
from sink.s3 import S3ObjectStore
from tests.integration.shim import Shim, in_database, serving
from tests.samples import TRANSCRIPT

URL = "https://media.example/call.opus?signature=s3cret"
OPEN = ["/health", "/livez", "/readyz", "/metrics", "/docs", "/redoc", "/openapi.json"]

WEBHOOKS = [
    "endpoints",
    "endpoints/{endpoint_id}",
    "endpoints/{endpoint_id}/secret",
    "endpoints/{endpoint_id}/rotate-secret",
    "endpoints/{endpoint_id}/redeliver",
    "deliveries",
    "deliveries/{delivery_id}",
    "deliveries/{delivery_id}/redeliver",
]


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore) -> Iterator[Shim]:
    with serving(database, object_store) as running:
        yield running


@pytest.fixture
def client(shim: Shim) -> Iterator[httpx.Client]:
    with shim.client() as opened:
        yield opened


def rows(shim: Shim, sql: str, *values: Any) -> list[Any]:
    """What stands in the database."""
    with psycopg.connect(shim.dsn) as connection:
        return connection.execute(sql, values).fetchall()


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """An RFC 9457 document that says what to do."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:scribe-rabbit:problem:{code}")
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == answer.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_an_accepted_job_is_a_row_and_an_outbox_row(shim: Shim, client: httpx.Client) -> None:
    """The event says what was asked for; the row keeps no signature; the trace goes on."""
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    body = {"url": URL, "language": "he", "num_speakers": 2, "metadata": {"crm": "42"}, "priority": "express"}
    headers = {"traceparent": parent, "tracestate": "v=1", "x-request-id": "mine-1"}
    answer = client.post("/api/v1/transcribe", json=body, headers=headers)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['job_id']}" == job["links"]["self"]
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-request-id"] == "mine-1"
    assert (job["state"], job["source"]) == ("queued", "https://media.example/call.opus")

    ((topic, key, value, sent),) = rows(shim, "SELECT topic, key, value, headers FROM outbox")
    event = Serde().decode(bytes(value), JobRequested)
    assert (topic, bytes(key)) == ("scribe.jobs.express", job["job_id"].encode())
    assert (event.source.uri, event.tenant, event.options.num_speakers) == (URL, "acme", 2)
    assert (trace_id(sent["traceparent"]), sent["tracestate"]) == ("a" * 32, "v=1")
    assert sent["ce_id"] == str(event.event_id)

    seen = client.get(answer.headers["location"])
    assert seen.json()["history"] == [{"run": 1, "state": "queued", "at": job["requested_at"], "detail": {}}]
    assert seen.json()["progress"] == {"done_seconds": 0.0, "total_seconds": None, "fraction": None}
    assert "s3cret" not in json.dumps(rows(shim, "SELECT request FROM jobs"))


def test_the_same_job_id_again(shim: Shim, client: httpx.Client) -> None:
    """An identical request is answered with the same job, any other one is refused, also another tenant's."""
    body = {"url": URL, "job_id": str(uuid4())}
    first, again = (client.post("/api/v1/transcribe", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    check_problem(client.post("/api/v1/transcribe", json={**body, "url": URL + "2"}), 409, "conflict")
    with shim.client(shim.key_of("globex")) as other:
        check_problem(other.post("/api/v1/transcribe", json=body), 409, "conflict")
    assert rows(shim, "SELECT count(*) FROM outbox") == [(1,)]


def test_an_erased_job_does_not_come_back(shim: Shim, client: httpx.Client) -> None:
    job_id = uuid4()
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job_id])
    check_problem(client.post("/api/v1/transcribe", json={"url": URL, "job_id": str(job_id)}), 409, "conflict")


def test_a_job_that_came_over_kafka_is_recognised(shim: Shim, client: httpx.Client) -> None:
    job_id = uuid4()
    request = JobRequested(
        job_id=job_id, tenant="acme", source=Source(uri=URL), requested_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    shim.complete(request)
    same = client.post("/api/v1/transcribe", json={"url": URL, "job_id": str(job_id)})
    assert (same.status_code, same.json()["state"]) == (202, "completed")
    other = client.post("/api/v1/transcribe", json={"url": URL, "job_id": str(job_id), "language": "he"})
    check_problem(other, 409, "conflict")


def test_many_at_the_same_time_make_one_job(shim: Shim, client: httpx.Client) -> None:
    body = {"url": URL, "job_id": str(uuid4())}
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.post("/api/v1/transcribe", json=body), range(24)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert rows(shim, "SELECT count(*) FROM outbox") == [(1,)]
    assert rows(shim, "SELECT count(*) FROM job_events") == [(1,)]


REFUSED: list[tuple[Any, int, str, list[str]]] = [
    ({}, 422, "invalid_request", ["url"]),
    ({"url": URL, "langage": "he"}, 422, "invalid_request", ["langage"]),
    ({"url": URL, "num_speakers": 0, "diarize": "perhaps"}, 422, "invalid_request", ["diarize", "num_speakers"]),
    ({"url": URL, "min_speakers": 5, "max_speakers": 2}, 422, "invalid_request", ["min_speakers"]),
    ({"url": URL, "job_id": "17"}, 422, "invalid_request", ["job_id"]),
    ({"url": URL, "expires_at": "2026-01-01T00:00:00"}, 422, "invalid_request", ["expires_at"]),
    ({"url": URL, "expires_at": "2020-01-01T00:00:00Z"}, 410, "expired", []),
    ({"url": URL, "metadata": {"a": "\x00"}}, 422, "invalid_request", ["metadata"]),
    ({"url": URL, "webhook_url": "http://10.0.0.1/x"}, 422, "invalid_request", ["webhook_url"]),
    ({"url": URL, "webhook_url": "https://user:pw@hooks.example/x"}, 422, "invalid_request", ["webhook_url"]),
    ({"url": URL, "engine": "kaldi"}, 422, "unknown_engine", []),
    ({"url": URL, "engine": "pyannote"}, 422, "unknown_engine", []),
    ({"url": URL, "model": "gpt"}, 422, "unknown_model", []),
    ({"url": URL, "model": "turns"}, 422, "unknown_model", []),
    ({"url": URL, "language": "xx"}, 422, "unknown_language", []),
    ({"url": URL, "model": "hebrew", "language": "en"}, 422, "unknown_language", []),
    ({"url": URL, "model": "hebrew", "language": None}, 422, "language_required", []),
    ({"url": "http://media.example/x"}, 422, "source_refused", []),
    ({"url": "https://169.254.169.254/latest"}, 422, "source_refused", []),
    ({"url": "https://[::1]/x"}, 422, "source_refused", []),
    ({"url": "https://2130706433/x"}, 422, "source_refused", []),
    ({"url": "file:///etc/passwd"}, 422, "source_refused", []),
    ({"url": "upload://../x"}, 422, "source_refused", []),
    ([1], 422, "invalid_request", ["body"]),
]


def test_what_is_wrong_is_said_at_the_door(shim: Shim, client: httpx.Client) -> None:
    """Status, code and fields; nothing of it reaches the database."""
    for body, status, code, fields in REFUSED:
        problem = check_problem(client.post("/api/v1/transcribe", json=body), status, code)
        assert [item["field"] for item in problem["errors"]] == fields, body
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]


def test_bodies_that_are_no_request(client: httpx.Client) -> None:
    for content in [b"{", b"", b"\xff", b"null", b'{"url": "\\ud800"}', b"[" * 100_000]:
        answer = client.post("/api/v1/transcribe", content=content, headers={"content-type": "application/json"})
        check_problem(answer, 422, "invalid_request")


def test_a_body_above_the_limit(client: httpx.Client) -> None:
    """Whether its length is announced or not."""
    for content in (iter([b" " * 65_536] * 8), b" " * 524_288):
        answer = client.post("/api/v1/transcribe", content=content, headers={"content-type": "application/json"})
        check_problem(answer, 413, "request_too_large")


def test_other_errors_are_problems_too(client: httpx.Client) -> None:
    unknown = check_problem(client.get("/nothing/here"), 404, "not_found")
    assert unknown["detail"] == "No operation has this address. See /docs for those there are."
    deleted = client.delete("/api/v1/models")
    check_problem(deleted, 405, "method_not_allowed")
    assert deleted.headers["allow"] == "GET"
    check_problem(client.get("/api/v1/jobs/17"), 422, "invalid_request")
    check_problem(client.get(f"/api/v1/jobs/{uuid4()}/transcript?format=doc"), 422, "invalid_request")


def test_a_bug_is_a_problem_that_tells_no_secrets(database: str, object_store: S3ObjectStore) -> None:
    def broken(url: str) -> None:
        raise RuntimeError(f"s3cret {url}")

    with serving(database, object_store, check_address=broken) as shim, shim.client() as client:
        problem = check_problem(client.post("/api/v1/transcribe", json={"url": URL}), 500, "internal")
        assert "s3cret" not in json.dumps(problem)
        assert client.get("/livez").status_code == 200


def test_keys(shim: Shim) -> None:
    """Without a key that works there is nothing but health, metrics and documentation."""
    with httpx.Client(base_url=shim.url, trust_env=False) as nobody:
        assert [nobody.get(path).status_code for path in OPEN] == [200] * len(OPEN)
        calls = [
            ("POST", "/api/v1/transcribe"),
            ("POST", "/api/v1/transcribe/upload"),
            ("GET", f"/api/v1/jobs/{uuid4()}"),
            ("GET", f"/api/v1/jobs/{uuid4()}/transcript"),
            ("GET", "/api/v1/models"),
        ]
        for method, path in calls:
            for key in [None, "", "sr_live_nonsense", shim.key[:-1] + "x", "שלום".encode()]:
                headers: dict[str, Any] = {} if key is None else {"X-API-Key": key}
                answer = nobody.request(method, path, headers=headers)
                check_problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("ApiKey")


def test_a_revoked_key_ends_at_once(shim: Shim, client: httpx.Client) -> None:
    assert client.get("/api/v1/models").status_code == 200
    assert in_database(shim.dsn, lambda database: revoke_key(database, shim.key.split("_")[2]))
    check_problem(client.get("/api/v1/models"), 401, "unauthorized")


def test_a_foreign_job_looks_like_none(shim: Shim, client: httpx.Client) -> None:
    job_id = client.post("/api/v1/transcribe", json={"url": URL}).json()["job_id"]
    with shim.client(shim.key_of("globex")) as other:
        for path in ("", "/transcript"):
            foreign = check_problem(other.get(f"/api/v1/jobs/{job_id}{path}"), 404, "not_found")
            absent_id = str(uuid4())
            absent = check_problem(other.get(f"/api/v1/jobs/{absent_id}{path}"), 404, "not_found")
            del foreign["request_id"], absent["request_id"]
            assert json.loads(json.dumps(foreign).replace(job_id, absent_id)) == absent


def request_of(client: httpx.Client, **body: Any) -> JobRequested:
    """Submit, and the event that the persist app would see."""
    job = client.post("/api/v1/transcribe", json={"url": URL, **body}).json()
    return JobRequested(
        job_id=UUID(job["job_id"]),
        tenant="acme",
        source=Source(uri=URL),
        requested_at=datetime.fromisoformat(job["requested_at"]),
    )


def test_the_transcript_in_every_form(shim: Shim, client: httpx.Client) -> None:
    request = request_of(client)
    shim.complete(request)
    path = f"/api/v1/jobs/{request.job_id}"
    job = client.get(path).json()
    assert (job["state"], job["result"]["language"], job["result"]["speakers"]) == ("completed", "en", ["SPEAKER_00"])
    assert job["progress"] == {"done_seconds": 2.5, "total_seconds": 2.5, "fraction": 1.0}
    assert [line["state"] for line in job["history"]] == ["queued", "completed"]
    assert job["links"]["transcript"] == f"{path}/transcript"
    answers = {
        form: client.get(f"{path}/transcript", params={"format": form}) for form in ("json", "txt", "srt", "vtt")
    }
    assert {answer.status_code for answer in answers.values()} == {200}
    transcript = transcript_from_json(answers["json"].json())
    assert transcript == TRANSCRIPT
    assert answers["txt"].text == "[00:00:00] SPEAKER_00: hello there\n[00:00:01] שלום\n"
    assert answers["srt"].text.startswith("1\n00:00:00,250 --> 00:00:01,500\nSPEAKER_00: hello there\n")
    assert answers["vtt"].text.startswith("WEBVTT\n\n00:00:00.250 --> 00:00:01.500\n<v SPEAKER_00>hello there</v>\n")
    kinds = {form: answer.headers["content-type"].split(";")[0] for form, answer in answers.items()}
    assert kinds == {"json": "application/json", "txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}


def test_a_transcript_that_is_not_there(shim: Shim, client: httpx.Client) -> None:
    """Not yet, never because the job failed, never because it was cancelled: each says so."""
    waiting, failed, cancelled = (request_of(client) for _ in range(3))
    shim.fail(failed)
    shim.cancel(cancelled)
    paths = [f"/api/v1/jobs/{request.job_id}/transcript" for request in (waiting, failed, cancelled)]
    check_problem(client.get(paths[0]), 409, "not_ready")
    problem = check_problem(client.get(paths[1]), 409, "media_empty")
    assert (problem["detail"], problem["kind"]) == ("The file is empty.", "media")
    check_problem(client.get(paths[2]), 409, "cancelled")
    job = client.get(f"/api/v1/jobs/{failed.job_id}").json()
    assert job["error"] == {"kind": "media", "code": "media_empty", "message": "The file is empty."}


def upload(client: httpx.Client, content: bytes, **fields: str) -> httpx.Response:
    return client.post("/api/v1/transcribe/upload", files={"file": ("call.opus", content)}, data=fields)


def test_an_upload_lies_in_the_store_byte_for_byte(
    shim: Shim, client: httpx.Client, object_store: S3ObjectStore
) -> None:
    """20 MB: more than one part of the store's multipart upload."""
    content = bytes(range(256)) * 80_000
    answer = upload(client, content, language="he", num_speakers="2", metadata='{"a": "b"}', prompt="")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["options"]["num_speakers"], job["metadata"], job["options"]["prompt"]) == (2, {"a": "b"}, None)
    upload_id = job["source"].removeprefix("upload://")
    assert object_store.get(f"acme/uploads/{upload_id}") == content
    ((value,),) = rows(shim, "SELECT value FROM outbox")
    assert Serde().decode(bytes(value), JobRequested).source.size_bytes == len(content)


def test_fields_may_come_after_the_file(client: httpx.Client) -> None:
    files: list[tuple[str, Any]] = [
        ("file", ("a.wav", b"RIFF")),
        ("language", (None, "he")),
        ("diarize", (None, "false")),
    ]
    answer = client.post("/api/v1/transcribe/upload", files=files)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["options"]["language"], answer.json()["options"]["diarize"]) == ("he", False)


REFUSED_UPLOADS: list[tuple[bytes, dict[str, str], str]] = [
    (b"", {}, "media_empty"),
    (b"x" * 3_000_001, {}, "media_too_large"),
    (b"RIFF", {"langage": "he"}, "invalid_request"),
    (b"RIFF", {"metadata": "{"}, "invalid_request"),
    (b"RIFF", {"url": URL}, "invalid_request"),
    (b"RIFF", {"model": "gpt"}, "unknown_model"),
    (b"RIFF", {"webhook_url": "https://127.0.0.1/x"}, "invalid_request"),
]


def test_a_refused_upload_leaves_nothing(database: str, object_store: S3ObjectStore) -> None:
    with serving(database, object_store, upload_max_bytes=3_000_000) as shim, shim.client() as client:
        for content, fields, code in REFUSED_UPLOADS:
            answer = upload(client, content, **fields)
            check_problem(answer, answer.status_code, code)
        assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]
        assert list(object_store.keys("")) == []


def test_the_same_upload_again_under_its_job_id(shim: Shim, client: httpx.Client, object_store: S3ObjectStore) -> None:
    """The content decides; the second copy is not kept."""
    job_id = str(uuid4())
    first, again = (upload(client, b"RIFF", job_id=job_id) for _ in range(2))
    assert (first.status_code, again.json()) == (202, first.json())
    check_problem(upload(client, b"other", job_id=job_id), 409, "conflict")
    assert len(list(object_store.keys("acme/uploads/"))) == 1


def test_a_client_that_hangs_up_leaves_nothing(shim: Shim, client: httpx.Client, object_store: S3ObjectStore) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    left = threading.Event()

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(150):
            yield b"x" * 65_536
        left.set()
        raise ConnectionAbortedError

    headers = {"content-type": "multipart/form-data; boundary=b"}
    with pytest.raises(ConnectionAbortedError):
        client.post("/api/v1/transcribe/upload", content=body(), headers=headers)
    assert left.is_set()
    # the shim serves on, and what it says of the next job shows that it is done with this one
    assert upload(client, b"RIFF").status_code == 202
    keys = list(object_store.keys(""))
    assert len(keys) == 1
    assert object_store.get(keys[0]) == b"RIFF"


def test_uploads_that_are_no_forms(client: httpx.Client) -> None:
    path = "/api/v1/transcribe/upload"
    check_problem(client.post(path, json={"url": URL}), 422, "invalid_request")
    truncated = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    check_problem(client.post(path, content=truncated, headers=headers), 422, "media_truncated")
    check_problem(client.post(path, content=b"--b--\r\n", headers=headers), 422, "invalid_request")


def test_the_models_are_those_of_the_registry(client: httpx.Client) -> None:
    models = client.get("/api/v1/models").json()
    assert [(model["name"], model["default"], model["stand_in"]) for model in models] == [
        ("any", True, False),
        ("hebrew", False, True),
    ]


def test_health_and_metrics(shim: Shim, client: httpx.Client) -> None:
    """A late outbox is shown and refuses nothing."""
    before = _value(client, 'scribe_rabbit_jobs_submitted_total{door="rest"}')
    request_of(client)
    assert client.get("/readyz").json()["status"] == "ok"
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("UPDATE outbox SET created_at = now() - interval '5 minutes'")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["outbox_pending"]) == (200, "late", 1)
    assert _value(client, "scribe_rabbit_queue_depth") == 1
    assert _value(client, 'scribe_rabbit_jobs_submitted_total{door="rest"}') == before + 1
    assert _value(client, 'scribe_rabbit_http_requests_total{method="GET",route="/readyz",status="200"}') >= 2


def test_probes_may_ask_with_head(client: httpx.Client) -> None:
    for path in ("/health", "/livez", "/readyz"):
        asked, told = client.head(path), client.get(path)
        assert (asked.status_code, asked.content) == (200, b"")
        assert asked.headers["content-length"] == told.headers["content-length"]


def _value(client: httpx.Client, series: str) -> float:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(series + " ")]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0


def test_a_database_without_tables_is_told_and_measured(shim: Shim, client: httpx.Client) -> None:
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("ALTER TABLE outbox RENAME TO outbox_old")
        connection.execute("ALTER TABLE jobs RENAME TO jobs_old")
    problem = check_problem(client.get("/readyz"), 503, "unavailable")
    assert "run `scribe database migrate`" in problem["detail"]
    assert client.get("/metrics").status_code == 200
    assert "scribe_rabbit_queue_depth NaN" in client.get("/metrics").text


def test_without_its_database_the_shim_says_so_and_comes_back(
    shim: Shim, client: httpx.Client, postgres_server: Any
) -> None:
    """503 with Retry-After, alive all the time, no restart needed."""
    name = shim.dsn.rsplit("/", 1)[1]
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        away = client.post("/api/v1/transcribe", json={"url": URL}, timeout=60)
        check_problem(away, 503, "unavailable")
        assert int(away.headers["retry-after"]) > 0
        assert client.get("/livez").status_code == 200
        assert "scribe_rabbit_queue_depth NaN" in client.get("/metrics", timeout=60).text
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert client.get("/readyz", timeout=60).status_code == 200
    assert client.post("/api/v1/transcribe", json={"url": URL}).status_code == 202


def test_the_document_describes_every_operation_and_every_error(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    assert len({operation["operationId"] for *_, operation in operations}) == len(operations)
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (path, status)
        if path.startswith("/api/"):
            assert operation["security"] == [{"APIKeyHeader": []}]
    assert document["components"]["schemas"]["TranscribeBody"]["examples"]
    assert {"Problem", "FieldError"} <= document["components"]["schemas"].keys()
    assert set(document["paths"]) == {
        "/api/v1/transcribe",
        "/api/v1/transcribe/upload",
        "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/transcript",
        "/api/v1/erasures/{job_id}",
        "/api/v1/models",
        "/api/v1/search",
        "/api/v1/enhanced-ai",
        "/api/v1/enhanced-ai/{enhancement_id}",
        "/api/v1/webhook/test",
        *(f"/api/v1/webhooks/{path}" for path in WEBHOOKS),
        *OPEN[:4],
    }
