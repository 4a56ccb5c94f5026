"""Enhanced AI over REST: who may ask, for what, and what is read before and after."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from schemas.events import EnhancementResult, Entity, JobRequested, Outcome, TenantPolicy
from schemas.tenants.enhancement_consent import submitted_id
from schemas.wire.serde import Serde
from sink.enhancements import requests
from sink.memory import MemoryObjectStore
from sink.tenants.policies import apply_policy
from tests.integration.shim import RunningShim, in_transaction, serving
from tests.samples import AT, BARE_REQUEST

pytestmark = pytest.mark.postgres
POLICY = TenantPolicy(tenant="acme", enhanced_ai=True, llm_models=("small", "large"), at=AT)


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore(), llm_models=("small", "large", "huge")) as running:
        in_transaction(database, lambda connection: apply_policy(connection, POLICY))
        yield running


def job(shim: RunningShim, end: str = "complete", tenant: str = "acme") -> JobRequested:
    request = replace(BARE_REQUEST, job_id=uuid4(), tenant=tenant)
    getattr(shim, end)(request)
    return request


def ask(client: httpx.Client, job_id: UUID, **fields: Any) -> httpx.Response:
    body = {"transcription_job_id": str(job_id), "enable_summarization": True, **fields}
    return client.post("/api/v1/enhanced-ai", json=body)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def test_the_same_key_is_the_same_enhancement(shim: RunningShim, client: httpx.Client) -> None:
    """Another wish under it is refused; a key of a job is another key."""
    request = job(shim)
    key = {"Idempotency-Key": "one"}
    assert client.post("/api/v1/transcribe", json={"url": "https://a.example/x"}, headers=key).status_code == 202
    body = {"transcription_job_id": str(request.job_id), "enable_summarization": True}
    first, again = (client.post("/api/v1/enhanced-ai", json=body, headers=key) for _ in range(2))
    assert (first.status_code, again.json()) == (202, first.json())
    other = client.post("/api/v1/enhanced-ai", json={**body, "llm_model": "large"}, headers=key)
    assert code(other) == (422, "idempotency_key_reused")
    elsewhere = {**body, "transcription_job_id": str(job(shim).job_id)}
    assert code(client.post("/api/v1/enhanced-ai", json=elsewhere, headers=key)) == (422, "idempotency_key_reused")


def test_an_enhancement_is_accepted_read_and_listed_with_its_job(shim: RunningShim, client: httpx.Client) -> None:
    request = job(shim)
    asked = ask(client, request.job_id, llm_model="small", enable_entity_extraction=True)
    assert asked.status_code == 202
    found = asked.json()
    assert asked.headers["location"] == f"/api/v1/enhanced-ai/{found['enhancement_id']}"
    assert (found["state"], found["summary"], found["entities"]) == ("queued", None, [])
    result = EnhancementResult(
        event_id=uuid4(),
        job_id=request.job_id,
        run=1,
        tenant="acme",
        enhancement_id=UUID(found["enhancement_id"]),
        outcome=Outcome.COMPLETED,
        summary="short",
        entities=(Entity(text="Monday", kind="date", start=0.5, end=1.0),),
        model="small",
        tokens=7,
        completed_at=datetime.now(UTC),
    )
    in_transaction(shim.dsn, lambda connection: requests.apply(connection, result))
    read = client.get(asked.headers["location"]).json()
    assert (read["state"], read["summary"], read["tokens"]) == ("completed", "short", 7)
    assert read["entities"] == [{"text": "Monday", "kind": "date", "start": 0.5, "end": 1.0}]
    (listed,) = client.get(f"/api/v1/jobs/{request.job_id}").json()["enhancements"]
    assert (listed["state"], listed["links"]["self"]) == ("completed", asked.headers["location"])


def test_the_same_request_again_is_harmless_and_another_one_a_conflict(shim: RunningShim, client: httpx.Client) -> None:
    request, identity = job(shim), str(uuid4())
    first, again = (ask(client, request.job_id, enhancement_id=identity) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert code(ask(client, request.job_id, enhancement_id=identity, enable_entity_extraction=True)) == (
        409,
        "conflict",
    )


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"enable_summarization": False}, (422, "invalid_request")),
        ({"llm_model": "gigantic"}, (422, "unknown_llm_model")),
        ({"llm_model": "huge"}, (422, "unknown_llm_model")),
        ({"llm_models": "small"}, (422, "invalid_request")),
        ({"transcription_job_id": "x"}, (422, "invalid_request")),
        ({"transcription_job_id": str(UUID(int=5))}, (404, "not_found")),
    ],
)
def test_what_can_only_fail_is_refused(
    shim: RunningShim, client: httpx.Client, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert code(ask(client, job(shim).job_id, **fields)) == answer


def test_without_consent_nothing_is_accepted(shim: RunningShim, client: httpx.Client) -> None:
    withdrawn = replace(POLICY, enhanced_ai=False, at=datetime.now(UTC))
    in_transaction(shim.dsn, lambda connection: apply_policy(connection, withdrawn))
    refused = ask(client, job(shim).job_id)
    assert code(refused) == (403, "consent_missing")
    assert "scribe tenants set" in refused.json()["detail"]
    body = {"url": "https://media.example/a.mp3", "enable_summarization": True}
    assert code(client.post("/api/v1/transcribe", json=body)) == (403, "consent_missing")


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_job_that_ended_without_a_transcript_has_none_to_enhance(
    shim: RunningShim, client: httpx.Client, end: str
) -> None:
    assert code(ask(client, job(shim, end).job_id)) == (409, "no_transcript")


def test_another_tenants_jobs_and_enhancements_do_not_exist(shim: RunningShim, client: httpx.Client) -> None:
    assert code(ask(client, job(shim, tenant="globex").job_id)) == (404, "not_found")
    asked = ask(client, job(shim).job_id)
    with shim.client(shim.key_of("globex")) as other:
        assert code(other.get(asked.headers["location"])) == (404, "not_found")


def test_a_job_asks_at_its_submission_and_the_wish_travels_with_it(shim: RunningShim, client: httpx.Client) -> None:
    identity = uuid4()
    body = {"url": "https://media.example/a.mp3", "job_id": str(identity), "enable_summarization": True}
    answers = [client.post("/api/v1/transcribe", json={**body, "llm_model": "small"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]

    async def values(connection: Any) -> list[bytes]:
        rows = await (await connection.execute("SELECT value FROM outbox")).fetchall()
        return [bytes(row["value"]) for row in rows]

    (value,) = in_transaction(shim.dsn, values)
    wishes = Serde().decode(value, JobRequested).enhancement
    assert wishes is not None
    assert (wishes.enhancement_id, wishes.summarization, wishes.entity_extraction, wishes.llm_model) == (
        submitted_id(identity),
        True,
        False,
        "small",
    )


def test_a_wish_for_nothing_but_a_model_is_a_mistake(client: httpx.Client) -> None:
    body = {"url": "https://media.example/a.mp3", "llm_model": "small"}
    assert code(client.post("/api/v1/transcribe", json=body)) == (422, "invalid_request")


def test_a_service_without_enhanced_ai_says_so(database: str) -> None:
    with serving(database, MemoryObjectStore()) as shim, shim.client() as client:
        assert code(ask(client, job(shim).job_id)) == (422, "not_offered")
