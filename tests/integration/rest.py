"""What the tests of REST share: what stands behind a request, and what every error looks like."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import httpx
import psycopg

from producers.api.openai.errors import is_openai, status_of
from producers.api.web.contract.registry_errors import MEDIA_TYPE as REGISTRY_MEDIA_TYPE
from producers.api.web.contract.registry_errors import is_registry
from schemas.events import JobRequested, Source
from tests.integration.shim import RunningShim

URL = "https://media.example/call.opus?signature=s3cret"
OPEN = ["/health", "/livez", "/readyz", "/metrics", "/docs", "/redoc", "/openapi.json", "/", "/session"]


def rows(shim: RunningShim, sql: str, *values: Any) -> list[Any]:
    """What stands in the database."""
    with psycopg.connect(shim.dsn) as connection:
        return connection.execute(sql, values).fetchall()


def done_before(
    shim: RunningShim, job_id: UUID | str, began: datetime, seconds: float, requested_at: datetime | None = None
) -> None:
    """The job as one of a minute of audio that completed so many seconds after it began."""
    rows(
        shim,
        "WITH begun AS (INSERT INTO job_events (job_id, run, state, at) VALUES (%s, 1, 'transcribing', %s))"
        " UPDATE jobs SET state = 'completed', duration = 60, requested_at = %s, completed_at = %s WHERE job_id = %s RETURNING 1",
        *(job_id, began, requested_at or began, began + timedelta(seconds=seconds), job_id),
    )


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """An RFC 9457 document that says what to do; of other interfaces, an error of their own shape."""
    if is_registry(answer.url.path):
        return check_registry_error(answer, status)
    if is_openai(answer.url.path):
        return check_openai_error(answer, status_of(code, status), code)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:scribe-rabbit:problem:{code}")
    assert body["title"]
    assert body["detail"]
    assert unquote(body["instance"]) == answer.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def read(client: httpx.Client, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    """The answer of an address; that of a stream, which has no end, as if there were only its head."""
    with client.stream(method, path, **options) as answer:
        is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
        return httpx.Response(answer.status_code, headers=answer.headers, content=b"" if is_stream else answer.read())


def check_registry_error(answer: httpx.Response, status: int) -> dict[str, Any]:
    """An error as the clients of Confluent's registry read it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == REGISTRY_MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"error_code", "message"}
    assert (body["error_code"], bool(body["message"])) == (status, True)
    return body


def check_openai_error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()["error"]
    assert body.keys() == {"message", "type", "param", "code"}
    assert (body["code"], bool(body["message"]), bool(body["type"])) == (code, True, True)
    return body


def request_of(client: httpx.Client, **body: Any) -> JobRequested:
    """Submit, and the event that the persist app would see."""
    job = client.post("/api/v1/transcribe", json={"url": URL, **body}).json()
    return JobRequested(
        job_id=UUID(job["job_id"]),
        tenant="acme",
        source=Source(uri=URL),
        requested_at=datetime.fromisoformat(job["requested_at"]),
    )
