"""DELETE of a job and `scribe cancel`: the order is committed with the mark, once, and ended jobs stay as they are."""

from uuid import uuid4

import psycopg

from schemas.events import JobControl
from schemas.topics import CONTROL
from schemas.wire.serde import Serde
from tests.integration.commands import Run, for_shim, lines
from tests.integration.shim import RunningShim

BODY = {"url": "https://media.example/call.mp3", "language": "en"}


def orders(shim: RunningShim) -> list[JobControl]:
    """What the relay will write to the control topic."""
    with psycopg.connect(shim.dsn) as connection:
        rows = connection.execute("SELECT value FROM outbox WHERE topic = %s ORDER BY id", [CONTROL]).fetchall()
    return [Serde().decode(bytes(value), JobControl) for (value,) in rows]


def test_a_job_is_asked_to_stop_once(shim: RunningShim) -> None:
    with shim.client() as client:
        job = client.post("/api/v1/transcribe", json=BODY).json()
        path = f"/api/v1/jobs/{job['job_id']}"
        assert job["cancel_requested_at"] is None
        known = len(orders(shim))
        first = client.delete(path)
        assert (first.status_code, first.headers["location"]) == (202, path)
        assert first.json()["cancel_requested_at"]
        assert client.delete(path).json() == first.json()
        assert client.get(path).json()["cancel_requested_at"] == first.json()["cancel_requested_at"]
        [order] = orders(shim)[known:]
        assert (str(order.job_id), order.run, order.tenant, order.action) == (job["job_id"], 1, "acme", "cancel")
        assert client.delete(f"/api/v1/jobs/{uuid4()}").status_code == 404


def test_an_ended_job_stays_and_an_erased_one_is_stopped(shim: RunningShim) -> None:
    with shim.client() as client:
        ended, erased = (client.post("/api/v1/transcribe", json=BODY).json()["job_id"] for _ in "ab")
        with psycopg.connect(shim.dsn) as connection:
            connection.execute("UPDATE jobs SET state = 'completed' WHERE job_id = %s", [ended])
        known = len(orders(shim))
        answer = client.delete(f"/api/v1/jobs/{ended}")
        assert (answer.status_code, answer.json()["state"]) == (200, "completed")
        assert client.delete(f"/api/v1/jobs/{erased}", params={"erase": "true"}).status_code == 202
        assert [str(order.job_id) for order in orders(shim)[known:]] == [erased]


def test_an_operators_erasure_stops_a_job_too(shim: RunningShim, run_here: Run) -> None:
    with shim.client() as client:
        job_id = client.post("/api/v1/transcribe", json=BODY).json()["job_id"]
    known = len(orders(shim))
    done = run_here("erase", job_id, "--tenant", "acme", SCRIBE_POSTGRES_DSN=shim.dsn)
    assert done.returncode == 0, done.stderr
    assert [str(order.job_id) for order in orders(shim)[known:]] == [job_id]


def test_the_command_stops_jobs_and_says_what_it_could_not(shim: RunningShim, run_here: Run) -> None:
    with shim.client() as client:
        job_id = client.post("/api/v1/transcribe", json=BODY).json()["job_id"]
    done = run_here("cancel", job_id, **for_shim(shim))
    assert (done.returncode, done.stdout) == (0, f"{job_id}  is asked to stop\n"), done.stderr
    some = run_here("cancel", str(uuid4()), job_id, "--json", **for_shim(shim))
    assert (some.returncode, [job["job_id"] for job in lines(some.stdout)]) == (2, [job_id])
    assert "There is no such thing" in some.stderr
    known = len(orders(shim))
    for wrong in (("--direct",), ("--tenant", "acme"), ("--run", "2"), ("--run", "1")):
        refused = run_here("cancel", job_id, *wrong, **for_shim(shim))
        assert (refused.returncode, wrong[0] in refused.stderr, refused.stdout) == (2, True, ""), refused.stderr
    assert len(orders(shim)) == known
