"""The REST shim over real parts: every door, every way to be turned away, and that 202 means durable."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import docx
import httpx
import psycopg

from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES
from schemas.events import JobRequested, Source
from schemas.wire.headers import trace_id
from schemas.wire.serde import Serde, transcript_from_json
from sink.http.url import CheckedUrl
from sink.objects.s3 import S3ObjectStore
from sink.tenants.api_keys import revoke_key
from tests.integration.faust_process import until
from tests.integration.rest import OPEN, URL, check_problem, request_of, rows
from tests.integration.shim import RunningShim, in_database, serving
from tests.samples import TRANSCRIPT


def test_an_accepted_job_is_a_row_and_an_outbox_row(shim: RunningShim, client: httpx.Client) -> None:
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
    assert job["name"] == "call.opus"

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


def test_the_same_job_id_again(shim: RunningShim, client: httpx.Client) -> None:
    """An identical request is answered with the same job, any other one is refused, also another tenant's."""
    body = {"url": URL, "job_id": str(uuid4())}
    first, again = (client.post("/api/v1/transcribe", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    check_problem(client.post("/api/v1/transcribe", json={**body, "track": 2}), 409, "conflict")
    check_problem(client.post("/api/v1/transcribe", json={**body, "url": URL + "2"}), 409, "conflict")
    with shim.client(shim.key_of("globex")) as other:
        check_problem(other.post("/api/v1/transcribe", json=body), 409, "conflict")
    assert rows(shim, "SELECT count(*) FROM outbox") == [(1,)]


def test_a_track_is_a_number_or_a_language(shim: RunningShim, client: httpx.Client) -> None:
    """A number may be written as one; either way it is the same wish."""
    body = {"url": URL, "job_id": str(uuid4()), "track": 2}
    first, again = (client.post("/api/v1/transcribe", json={**body, "track": track}) for track in (2, "2"))
    assert (first.status_code, again.text) == (202, first.text)
    assert first.json()["options"]["track"] == "2"
    check_problem(client.post("/api/v1/transcribe", json={**body, "track": "he"}), 409, "conflict")
    upload = client.post("/api/v1/transcribe/upload", files={"file": ("a.mkv", b"RIFF")}, data={"track": "heb"})
    assert upload.json()["options"]["track"] == "heb"


def test_an_erased_job_does_not_come_back(shim: RunningShim, client: httpx.Client) -> None:
    job_id = uuid4()
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job_id])
    check_problem(client.post("/api/v1/transcribe", json={"url": URL, "job_id": str(job_id)}), 409, "conflict")


def test_a_job_that_came_over_kafka_is_recognised(shim: RunningShim, client: httpx.Client) -> None:
    job_id = uuid4()
    request = JobRequested(
        job_id=job_id, tenant="acme", source=Source(uri=URL), requested_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    shim.complete(request)
    same = client.post("/api/v1/transcribe", json={"url": URL, "job_id": str(job_id)})
    assert (same.status_code, same.json()["state"]) == (202, "completed")
    other = client.post("/api/v1/transcribe", json={"url": URL, "job_id": str(job_id), "language": "he"})
    check_problem(other, 409, "conflict")


def test_many_at_the_same_time_make_one_job(shim: RunningShim, client: httpx.Client) -> None:
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
    *(
        ({"url": URL, "track": track}, 422, "invalid_request", ["track"])
        for track in (0, -1, True, 1.5, "", "Hebrew", [1])
    ),
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
    ({"url": "https://localhost/x"}, 422, "source_refused", []),
    ({"url": "https://printer.local/x"}, 422, "source_refused", []),
    ({"url": "https://metadata.google.internal/x"}, 422, "source_refused", []),
    ({"url": URL, "webhook_url": "https://localhost/x"}, 422, "invalid_request", ["webhook_url"]),
    ({"url": URL, "webhook_url": "https://crm.internal/x"}, 422, "invalid_request", ["webhook_url"]),
    ({"url": "file:///etc/passwd"}, 422, "source_refused", []),
    ({"url": "upload://../x"}, 422, "source_refused", []),
    ([1], 422, "invalid_request", ["body"]),
]


def test_what_is_wrong_is_said_at_the_door(shim: RunningShim, client: httpx.Client) -> None:
    """Status, code and fields; nothing of it reaches the database."""
    for body, status, code, fields in REFUSED:
        problem = check_problem(client.post("/api/v1/transcribe", json=body), status, code)
        assert [item["field"] for item in problem["errors"]] == fields, body
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]


def test_no_address_of_a_webhook_leads_inside(client: httpx.Client) -> None:
    """As far as it shows without a look-up."""
    for url in (
        "https://localhost/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://crm.internal/x",
        "https://db/",
    ):
        for path in ("/api/v1/webhooks/endpoints", "/api/v1/webhook/test"):
            problem = check_problem(client.post(path, json={"url": url}), 422, "invalid_request")
            assert [item["field"] for item in problem["errors"]] == ["url"], url


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
    assert deleted.headers["allow"] == "GET, HEAD, OPTIONS"
    check_problem(client.get("/api/v1/jobs/17"), 422, "invalid_request")
    check_problem(client.get(f"/api/v1/jobs/{uuid4()}/transcript?format=doc"), 422, "invalid_request")


def test_a_bug_is_a_problem_that_tells_no_secrets(database: str, object_store: S3ObjectStore) -> None:
    def broken(url: str) -> CheckedUrl:
        raise RuntimeError(f"s3cret {url}")

    with serving(database, object_store, check_address=broken) as shim, shim.client() as client:
        problem = check_problem(client.post("/api/v1/transcribe", json={"url": URL}), 500, "internal")
        assert "s3cret" not in json.dumps(problem)
        assert client.get("/livez").status_code == 200


def test_keys(shim: RunningShim) -> None:
    """Without a key that works there is nothing but health, metrics and documentation."""
    mistyped = shim.key[:-1] + ("y" if shim.key.endswith("x") else "x")
    with httpx.Client(base_url=shim.url, timeout=90, trust_env=False) as nobody:
        assert [nobody.get(path).status_code for path in OPEN] == [200] * len(OPEN)
        calls = [
            ("POST", "/api/v1/transcribe"),
            ("POST", "/api/v1/transcribe/upload"),
            ("GET", f"/api/v1/jobs/{uuid4()}"),
            ("GET", f"/api/v1/jobs/{uuid4()}/transcript"),
            ("GET", "/api/v1/models"),
        ]
        for method, path in calls:
            for key in [None, "", "sr_live_nonsense", mistyped, "שלום".encode()]:
                headers: dict[str, Any] = {} if key is None else {"X-API-Key": key}
                answer = nobody.request(method, path, headers=headers)
                check_problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("ApiKey")


def test_a_revoked_key_ends_within_seconds(shim: RunningShim, client: httpx.Client) -> None:
    """The README says how many; to the process it comes sooner or later."""
    assert client.get("/api/v1/models").status_code == 200
    assert in_database(shim.dsn, lambda database: revoke_key(database, shim.key.split("_")[2]))
    until("it is refused", lambda: client.get("/api/v1/models").status_code == 401)
    check_problem(client.get("/api/v1/models"), 401, "unauthorized")


def test_a_foreign_job_looks_like_none(shim: RunningShim, client: httpx.Client) -> None:
    job_id = client.post("/api/v1/transcribe", json={"url": URL}).json()["job_id"]
    with shim.client(shim.key_of("globex")) as other:
        for path in ("", "/transcript"):
            foreign = check_problem(other.get(f"/api/v1/jobs/{job_id}{path}"), 404, "not_found")
            absent_id = str(uuid4())
            absent = check_problem(other.get(f"/api/v1/jobs/{absent_id}{path}"), 404, "not_found")
            del foreign["request_id"], absent["request_id"]
            assert json.loads(json.dumps(foreign).replace(job_id, absent_id)) == absent


def test_the_transcript_in_every_form(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    shim.complete(request)
    path = f"/api/v1/jobs/{request.job_id}"
    job = client.get(path).json()
    assert (job["state"], job["result"]["language"], job["result"]["speakers"]) == ("completed", "en", ["SPEAKER_00"])
    assert job["progress"] == {"done_seconds": 2.5, "total_seconds": 2.5, "fraction": 1.0}
    assert [line["state"] for line in job["history"]] == ["queued", "completed"]
    assert job["links"]["transcript"] == f"{path}/transcript"
    answers = {form: client.get(f"{path}/transcript", params={"format": form}) for form in map(str, Format)}
    assert {answer.status_code for answer in answers.values()} == {200}
    transcript = transcript_from_json(answers["json"].json())
    assert transcript == TRANSCRIPT
    assert answers["txt"].text == "[00:00:00] SPEAKER_00: hello there\n[00:00:01] שלום\n"
    assert answers["srt"].text.startswith("1\n00:00:00,250 --> 00:00:01,500\nSPEAKER_00: hello there\n")
    assert answers["vtt"].text.startswith("WEBVTT\n\n00:00:00.250 --> 00:00:01.500\n<v SPEAKER_00>hello there</v>\n")
    assert answers["srt"].headers["content-disposition"] == 'attachment; filename="call.srt"'
    assert answers["tsv"].text.splitlines()[1] == "250\t1500\tSPEAKER_00\thello there"
    assert [word["text"] for word in answers["words"].json()["words"]][:2] == ["hello", "there"]
    document = docx.Document(BytesIO(answers["docx"].content))
    assert [p.text for p in document.paragraphs][:2] == ["call.opus", "[00:00:00] SPEAKER_00: hello there"]
    assert {Format(form): answer.headers["content-type"] for form, answer in answers.items()} == CONTENT_TYPES


def test_a_transcript_that_is_not_there(shim: RunningShim, client: httpx.Client) -> None:
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


def test_the_models_are_those_of_the_registry(client: httpx.Client) -> None:
    models = client.get("/api/v1/models").json()
    assert [(model["name"], model["default"], model["stand_in"]) for model in models] == [
        ("any", True, False),
        ("hebrew", False, True),
    ]


def test_of_two_keys_or_traces_none_is_taken(shim: RunningShim) -> None:
    """A proxy that adds its own and a client that has one would each be taken for the other."""
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    key = ("x-api-key", shim.key)
    with httpx.Client(base_url=shim.url, timeout=90, trust_env=False) as client:
        for second in (shim.key, shim.key_of("globex"), "", "nope"):
            for keys in ([key, ("x-api-key", second)], [("x-api-key", second), key]):
                problem = check_problem(client.get("/api/v1/jobs", headers=keys), 401, "unauthorized")
                assert "X-API-Key is given more than once" in problem["detail"]
        traces = [("traceparent", parent), ("traceparent", parent.replace("a", "c")), ("tracestate", "v=1")]
        assert client.post("/api/v1/transcribe", json={"url": URL}, headers=[key, *traces]).status_code == 202
        traces = [("traceparent", parent), ("tracestate", "v=1"), ("tracestate", "w=2")]
        assert client.post("/api/v1/transcribe", json={"url": URL}, headers=[key, *traces]).status_code == 202
        ids = [("x-request-id", "one"), ("x-request-id", "two")]
        assert client.get("/livez", headers=ids).headers["x-request-id"] not in ("one", "two")
    first, second = (sent for (sent,) in rows(shim, "SELECT headers FROM outbox ORDER BY id"))
    assert ("a" * 32 in str(first), "c" * 32 in str(first), "tracestate" in first) == (False, False, False)
    assert (trace_id(second["traceparent"]), second["tracestate"]) == ("a" * 32, "v=1,w=2")
