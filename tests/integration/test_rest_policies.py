"""What a tenant's policy forbids is refused at the door, with the way to whoever may change it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from schemas.events import TenantPolicy
from schemas.tenants.permissions import free_policy
from schemas.tenants.quotas import MOST_QUEUED
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Connection
from sink.tenants.policies import apply_policy
from tests.integration.rest import URL, check_problem, rows
from tests.integration.shim import REGISTRY, RunningShim, in_transaction, serving
from tests.samples import AT


@pytest.fixture
def strict(database: str, object_store: S3ObjectStore) -> Iterator[RunningShim]:
    """A shim that knows tenants by their policies only."""
    with serving(database, object_store, unknown_tenant="deny") as running:
        yield running


def rule(shim: RunningShim, **changes: Any) -> None:
    """Give acme this policy, as the persist app does."""
    policy: TenantPolicy = replace(free_policy("acme"), at=AT, **changes)

    async def apply(connection: Connection) -> None:
        assert await apply_policy(connection, policy)

    in_transaction(shim.dsn, apply)


def submit(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/api/v1/transcribe", json={"url": URL, "language": "he", **body})


def test_a_tenant_without_a_policy_may_be_unknown(strict: RunningShim) -> None:
    with strict.client() as client:
        problem = check_problem(submit(client), 403, "unknown_tenant")
        assert "scribe tenants set" in problem["detail"]
        rule(strict)
        assert submit(client).status_code == 202


def test_models_hosts_and_objects_are_those_of_the_policy(shim: RunningShim, client: httpx.Client) -> None:
    model = REGISTRY.default
    rule(shim, models=(model,), allowed_hosts=("media.example",), allowed_prefixes=("s3://archive/calls/",))
    assert submit(client).status_code == 202
    assert submit(client, model=model, url="s3://archive/calls/x.wav").status_code == 202
    check_problem(submit(client, url="https://other.example/x.wav"), 422, "source_refused")
    check_problem(submit(client, url="s3://archive/calls/../x.wav"), 422, "source_refused")
    check_problem(submit(client, url="s3://archive/x.wav"), 422, "source_refused")
    assert rows(shim, "SELECT count(*) FROM jobs") == [(2,)]


def test_another_model_is_refused(shim: RunningShim, client: httpx.Client) -> None:
    """The default one too, when the policy does not name it."""
    rule(shim, models=("another",))
    problem = check_problem(submit(client), 403, "model_not_allowed")
    assert "another" in problem["detail"]


def test_what_was_accepted_once_is_answered_again(shim: RunningShim, client: httpx.Client) -> None:
    """Its client may have lost the answer, and the policy may have changed since."""
    mine = str(uuid4())
    first = submit(client, job_id=mine)
    rule(shim, models=("another",))
    again = submit(client, job_id=mine)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    check_problem(submit(client, job_id=mine, url=URL + "2"), 403, "model_not_allowed")


def test_no_more_jobs_wait_than_the_quota_allows(shim: RunningShim, client: httpx.Client) -> None:
    """Asked for at the same moment; a job that began waits no more."""
    rule(shim, quotas={MOST_QUEUED: 3})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: submit(client), range(8)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len(accepted) == 3
    refused = next(answer for answer in answers if answer.status_code != 202)
    check_problem(refused, 429, "quota_exceeded")
    assert int(refused.headers["retry-after"]) > 0
    assert rows(shim, "SELECT count(*) FROM outbox") == [(3,)]
    first = accepted[0].json()["job_id"]
    rows(shim, "UPDATE jobs SET state = 'transcribing' WHERE job_id = %s RETURNING 1", first)
    assert submit(client).status_code == 202
    check_problem(submit(client), 429, "quota_exceeded")
