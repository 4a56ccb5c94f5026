"""Health, metrics and the document of the REST shim, also without its database."""

from typing import Any

import httpx
import psycopg

from tests.integration.faust_process import until
from tests.integration.rest import OPEN, URL, check_problem, request_of
from tests.integration.shim import RunningShim

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
PROBLEM, OPENAI = ("application/problem+json", "Problem"), ("application/json", "OpenAIError")
REGISTRY = ("application/vnd.schemaregistry.v1+json", "SchemaRegistryProblem")
SCHEMAS = [
    *("/subjects", "/subjects/{subject}/versions", "/subjects/{subject}/versions/{version}"),
    *("/schemas/ids/{schema_id}", "/schemas/ids/{schema_id}/versions", "/schemas/types"),
    *("/config", "/config/{subject}", "/mode"),
]


def test_health_and_metrics(shim: RunningShim, client: httpx.Client) -> None:
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


def test_a_database_without_tables_is_told_and_measured(shim: RunningShim, client: httpx.Client) -> None:
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("ALTER TABLE outbox RENAME TO outbox_old")
        connection.execute("ALTER TABLE jobs RENAME TO jobs_old")
    problem = check_problem(client.get("/readyz"), 503, "unavailable")
    assert "run `scribe database migrate`" in problem["detail"]
    assert client.get("/metrics").status_code == 200
    assert "scribe_rabbit_queue_depth NaN" in client.get("/metrics").text


def test_without_its_database_the_shim_says_so_and_comes_back(
    shim: RunningShim, client: httpx.Client, postgres_server: Any
) -> None:
    """503 with Retry-After, alive all the time, no restart needed."""
    name = shim.dsn.rsplit("/", 1)[1]
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        away = client.post("/api/v1/transcribe", json={"url": URL})
        check_problem(away, 503, "unavailable")
        assert int(away.headers["retry-after"]) > 0
        assert client.get("/livez").status_code == 200
        assert "scribe_rabbit_queue_depth NaN" in client.get("/metrics").text
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    until("it is ready", lambda: client.get("/readyz").status_code == 200)
    assert client.post("/api/v1/transcribe", json={"url": URL}).status_code == 202


def test_probes_do_not_wait_for_a_database_that_does_not_answer(shim: RunningShim, client: httpx.Client) -> None:
    """They would wait here as long as the tables are locked."""
    assert client.get("/readyz").status_code == 200
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("LOCK TABLE jobs, outbox IN ACCESS EXCLUSIVE MODE")
        for _ in range(5):  # as many as there are connections: each is given back
            check_problem(client.get("/readyz"), 503, "unavailable")
            assert "scribe_rabbit_queue_depth NaN" in client.get("/metrics").text
    until("it is ready", lambda: client.get("/readyz").status_code == 200)


WAITS = "scribe_rabbit_jobs_waiting{"


def test_of_two_numbers_the_one_that_is_known_is_told(shim: RunningShim, client: httpx.Client) -> None:
    """And not the old one of the other."""
    assert client.post("/api/v1/transcribe", json={"url": URL}).status_code == 202
    assert WAITS in client.get("/metrics").text
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        found = client.get("/metrics").text
    assert ("scribe_rabbit_queue_depth 1.0" in found, WAITS in found) == (True, False)
    assert WAITS in client.get("/metrics").text


def test_the_document_describes_every_operation_and_every_error(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    assert len({operation["operationId"] for *_, operation in operations}) == len(operations)
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        for status, answer in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                kind, name = OPENAI if path.startswith("/v1/") else PROBLEM
                kind, name = REGISTRY if path.startswith("/schema-registry/") else (kind, name)
                assert answer["content"][kind]["schema"] == {"$ref": f"#/components/schemas/{name}"}, (path, status)
        if path.startswith("/api/"):
            assert operation["security"] == [{"APIKeyHeader": []}]
        if path.startswith("/v1/"):
            assert operation["security"] == [{"Bearer": []}]
    assert document["components"]["schemas"]["TranscribeBody"]["examples"]
    assert {"Problem", "FieldError"} <= document["components"]["schemas"].keys()
    assert set(document["paths"]) == {
        "/api/v1/transcribe",
        "/api/v1/transcribe/upload",
        "/api/v1/transcribe/bulk",
        "/api/v1/events",
        "/api/v1/keys",
        "/api/v1/usage",
        "/api/v1/keys/{key_id}",
        "/api/v1/operator/dead-letters",
        "/api/v1/operator/dead-letters/{group}/{partition}/{offset}",
        "/api/v1/operator/jobs/{job_id}/waiting",
        "/api/v1/jobs/{job_id}/events",
        "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/transcript",
        "/api/v1/jobs/{job_id}/revisions",
        "/api/v1/jobs/{job_id}/audio",
        "/api/v1/jobs/{job_id}/waiting",
        "/api/v1/jobs",
        "/api/v1/erasures/{job_id}",
        "/api/v1/models",
        "/api/v1/search",
        "/api/v1/enhanced-ai",
        "/api/v1/enhanced-ai/{enhancement_id}",
        *("/api/v1/uploads", "/api/v1/uploads/{upload_id}", "/api/v1/presigned-uploads"),
        "/api/v1/webhook/test",
        *(f"/api/v1/webhooks/{path}" for path in WEBHOOKS),
        *(f"/v1/{path}" for path in ("audio/transcriptions", "audio/translations", "models", "models/{model}")),
        *(f"/schema-registry{path}" for path in SCHEMAS),
        *OPEN[:4],
    }
