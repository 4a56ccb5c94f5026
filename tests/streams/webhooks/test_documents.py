"""The webhooks that are described are those that are sent: each type by the real way, compared with its form and example."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from producers.api.app import create_app
from producers.api.webhooks.payloads import DESCRIBED
from producers.jobs.webhooks import send_test
from schemas.events import EnhancementResult, Entity, JobError, Outcome
from tests.streams.jobs import Job, new_job, saying
from tests.streams.webhook_harness import SECRETS, WebhookHarness, all_delivered, until

pytestmark = pytest.mark.anyio
ERROR = JobError(kind="internal", code="enhancement_failed", message="The enhanced-AI service did not do it.")


def enhanced(job: Job, outcome: Outcome) -> EnhancementResult:
    failed = outcome is Outcome.FAILED
    return EnhancementResult(
        event_id=uuid4(),
        job_id=job.job_id,
        run=1,
        tenant=job.tenant,
        enhancement_id=uuid4(),
        outcome=outcome,
        summary=None if failed else "A greeting.",
        entities=() if failed else (Entity(text="anna", kind="person", start=0.5, end=1.0),),
        model=None if failed else "small",
        tokens=0 if failed else 7,
        error=ERROR if failed else None,
        completed_at=datetime.now(UTC),
    )


async def sent(world: WebhookHarness) -> dict[str, dict[str, Any]]:
    """One webhook of every type, as its receiver got it."""
    receiver = world.receiver()
    jobs = {outcome: new_job(webhook_url=receiver.url) for outcome in Outcome}
    for outcome, job in jobs.items():
        result = job.result(outcome=outcome)
        assert await world.webhooks.ended(result) == "scheduled"
        assert await world.persist.ended(result) == "applied"
    for outcome in (Outcome.COMPLETED, Outcome.FAILED):
        event = enhanced(jobs[Outcome.COMPLETED], outcome)
        assert await world.webhooks.enhanced(event) == "scheduled"
        assert await world.persist.enhanced(event) == "applied"
    await send_test(world.db.transaction, SECRETS, "acme", receiver.url, datetime.now(UTC))
    async with world.dispatching():
        await until(lambda: all_delivered(world))
    return {call.payload["type"]: call.payload for call in receiver.calls}


def shape(value: Any) -> Any:
    """The names of all that is in it; of a list those of its first item."""
    match value:
        case dict():
            return {name: shape(inner) for name, inner in value.items()}
        case [first, *_]:
            return [shape(first)]
        case _:
            return None if not isinstance(value, list) else []


async def test_every_type_that_is_sent_has_the_form_that_is_described(world: WebhookHarness) -> None:
    found = await sent(world)
    assert found.keys() == DESCRIBED.keys()
    for kind, payload in found.items():
        described = DESCRIBED[kind]
        for one in (payload, described.example):
            known = TypeAdapter(described.form).validate_python(one)
            assert shape(known) == shape(one), kind
        # a nullable part may be null in one of the two
        assert _nulls_apart(shape(payload), shape(described.example)), (kind, payload)


def _nulls_apart(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_nulls_apart(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list) and one and other:
        return _nulls_apart(one[0], other[0])
    return True


async def test_what_is_left_out_of_a_long_one_may_be_missing(world: WebhookHarness) -> None:
    receiver = world.receiver()
    job = new_job(webhook_url=receiver.url)
    for length in (12_000, 30_000):
        job = replace(job, job_id=uuid4())
        result = job.result(transcript=saying("x" * length))
        await world.webhooks.ended(result)
        await world.persist.ended(result)
        event = replace(
            enhanced(job, Outcome.COMPLETED), summary="s" * length, entities=(Entity(text="e" * 9000, kind="k"),)
        )
        await world.webhooks.enhanced(event)
        await world.persist.enhanced(event)
    async with world.dispatching():
        await until(lambda: all_delivered(world))
    parts = [call.payload["data"].keys() & {"text", "segments", "summary", "entities"} for call in receiver.calls]
    assert sorted(map(sorted, parts)) == [[], [], ["summary"], ["text"]]
    for call in receiver.calls:
        form = DESCRIBED[call.payload["type"]].form
        TypeAdapter(form).validate_python(call.payload)


def test_the_document_has_each_with_its_example_and_schema() -> None:
    document = create_app(None).openapi()  # type: ignore[arg-type]
    assert document["openapi"].startswith("3.1")
    assert document["webhooks"].keys() == DESCRIBED.keys()
    for kind, item in document["webhooks"].items():
        body = item["post"]["requestBody"]["content"]["application/json"]
        assert body["example"]["type"] == kind
        name = body["schema"]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
        assert kind in _values(schema["properties"]["type"])
        assert schema["properties"]["data"]["$ref"].rpartition("/")[2] in document["components"]["schemas"]
        assert [parameter["name"] for parameter in item["post"]["parameters"]] == [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ]


def _values(schema: dict[str, Any]) -> list[str]:
    return list(schema.get("enum", [schema.get("const")]))
