"""Why a job is where it is, as its tenant asks: GET /api/v1/jobs/{id}/waiting and `scribe why`."""

import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from schemas.events import JobRequested
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason
from tests.integration.commands import Run, for_shim
from tests.integration.rest import check_problem, request_of
from tests.integration.shim import RunningShim


def execute(shim: RunningShim, query: str) -> None:
    with psycopg.connect(shim.dsn) as connection:
        connection.execute(query.encode())


def waiting(client: httpx.Client, request: JobRequested) -> dict[str, Any]:
    answer = client.get(f"/api/v1/jobs/{request.job_id}/waiting")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_tenant_is_told_what_holds_its_job(shim: RunningShim, client: httpx.Client) -> None:
    # given: a job that the relay has not published
    request_of(client)
    request = request_of(client)
    found = waiting(client, request)
    assert (found["held"], found["state"]) == (True, "queued")
    assert found["message"] == WAIT_REASONS[WaitReason.OUTBOX_UNPUBLISHED].sentence
    # when it is published: others came before it
    execute(shim, "UPDATE outbox SET published_at = now()")
    found = waiting(client, request)
    [wait] = found["waits"]
    assert (wait["reason"], wait["ahead"], wait["subject"]) == (WaitReason.BACKLOG, 1, "job")
    # when it is begun, and nothing is heard of it
    execute(shim, "UPDATE jobs SET state = 'transcribing', updated_at = now()")
    assert (waiting(client, request)["held"], waiting(client, request)["waits"]) == (False, [])
    execute(shim, "UPDATE jobs SET updated_at = now() - interval '1 hour'")
    assert [each["reason"] for each in waiting(client, request)["waits"]] == [WaitReason.UNHEARD]
    # when it is asked to stop
    assert client.delete(f"/api/v1/jobs/{request.job_id}").status_code == 202
    reasons = [each["reason"] for each in waiting(client, request)["waits"]]
    assert reasons == [WaitReason.UNHEARD, WaitReason.CANCELLING]
    # when it has ended
    shim.complete(request)
    assert waiting(client, request)["message"] == "Nothing holds it: it has ended (completed)."


def test_another_tenants_job_is_none(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    with shim.client(shim.key_of("globex")) as other:
        check_problem(other.get(f"/api/v1/jobs/{request.job_id}/waiting"), 404, "not_found")
    check_problem(client.get(f"/api/v1/jobs/{uuid4()}/waiting"), 404, "not_found")
    assert httpx.get(f"{shim.url}/api/v1/jobs/{request.job_id}/waiting", trust_env=False, timeout=90).status_code == 401


def test_what_waits_in_the_outbox_for_another_tenant_is_not_told(shim: RunningShim, client: httpx.Client) -> None:
    """The outbox has no tenants: it is looked at for jobs that are the tenant's own, and its topics are told to nobody."""
    # given: a job of acme and its order wait in the outbox, and a job of globex is published
    request = request_of(client)
    assert client.delete(f"/api/v1/jobs/{request.job_id}").status_code == 202
    with shim.client(shim.key_of("globex")) as other:
        own = request_of(other)
        execute(shim, f"UPDATE outbox SET published_at = now() WHERE convert_from(key, 'UTF8') = '{own.job_id}'")
        # then: globex hears of its own, which nothing of its own is before
        found = waiting(other, own)
        assert [(each["reason"], each["ahead"]) for each in found["waits"]] == [(WaitReason.TURN, 0)]
        refused = [other.get(f"/api/v1/jobs/{job_id}/waiting") for job_id in (request.job_id, uuid4())]
    for answer in refused:
        check_problem(answer, 404, "not_found")
        assert "outbox" not in answer.text
    # and acme that its own waits, in no word of operators
    answer = client.get(f"/api/v1/jobs/{request.job_id}/waiting")
    assert {each["reason"] for each in answer.json()["waits"]} == {
        WaitReason.OUTBOX_UNPUBLISHED,
        WaitReason.CANCELLING,
    }
    assert "scribe." not in answer.text, "names of topics are the operator's"
    assert "runbook" not in answer.text


def test_the_command_asks_for_its_owner(shim: RunningShim, client: httpx.Client, run_here: Run) -> None:
    request = request_of(client)
    shown = run_here("why", request.job_id.hex[:12], **for_shim(shim))
    assert shown.returncode == 0, shown.stderr
    assert "outbox_unpublished (job): It was accepted and is about to enter the queue." in shown.stdout
    as_json = run_here("why", str(request.job_id), "--json", **for_shim(shim))
    assert json.loads(as_json.stdout)["waits"][0]["reason"] == WaitReason.OUTBOX_UNPUBLISHED
    wrong = run_here("why", str(request.job_id), "--process", "http://127.0.0.1:1", **for_shim(shim))
    assert (wrong.returncode, "--process goes with --direct" in wrong.stderr) == (2, True)
    assert run_here("why", str(uuid4()), **for_shim(shim)).returncode == 2


def test_the_shim_tells_what_waits_for_a_relay_that_is_not_there(shim: RunningShim, client: httpx.Client) -> None:
    assert client.get("/readyz?verbose").json()["waiting"] == []
    request_of(client)
    assert "waiting" not in client.get("/readyz").json()
    for query in ("verbose", "verbose=1"):
        [wait] = client.get(f"/readyz?{query}").json()["waiting"]
        assert (wait["group"], wait["reason"], wait["jobs"]) == ("outbox", WaitReason.OUTBOX_UNPUBLISHED, 1)
    assert 'scribe_rabbit_jobs_waiting{group="outbox",reason="outbox_unpublished"} 1.0' in client.get("/metrics").text
