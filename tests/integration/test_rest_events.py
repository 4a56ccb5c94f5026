"""Server-sent events over real HTTP and PostgreSQL: what happens to jobs is told once, in order, over any break."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from producers.api.events.hub import EventHub
from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from sink.memory import MemoryObjectStore
from sink.tenants.api_keys import revoke_key
from tests.integration.rest import URL, check_problem, request_of, rows
from tests.integration.shim import RunningShim, in_database, serving
from tests.integration.waiting import wait_for

EVENTS = "/api/v1/events"


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore(), events=EventHub(pause=0.02)) as running:
        yield running


@dataclass(frozen=True)
class Event:
    """An event as a browser would see it; `id` is what it would come back with."""

    name: str
    data: dict[str, Any]
    id: str


class Stream:
    """A reader of server-sent events, by the rules of the standard."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()
        self.last_id = ""

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                return Event(fields["event"], json.loads(fields["data"]), self.last_id)
            fields = {}
        raise StopIteration

    def until(self, name: str) -> list[Event]:
        """The events before the first one of a name, which is read too."""
        return list(takewhile(lambda event: event.name != name, self))


@contextmanager
def following(client: httpx.Client, path: str = EVENTS, last_id: str = "") -> Iterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def states(events: list[Event], job_id: UUID | str) -> list[str]:
    return [event.data["state"] for event in events if event.data["job_id"] == str(job_id)]


def test_all_jobs_of_a_tenant_are_followed_from_now_on(shim: RunningShim, client: httpx.Client) -> None:
    before = request_of(client)
    with shim.client(shim.key_of("globex")) as other, following(client) as stream:
        assert stream.until("ready") == []
        other.post("/api/v1/transcribe", json={"url": URL})
        shim.complete(before)
        later = request_of(client)
        found = [next(stream), next(stream)]
    assert [(event.name, event.data["job_id"], event.data["state"]) for event in found] == [
        ("state", str(before.job_id), "completed"),
        ("state", str(later.job_id), "queued"),
    ]
    assert found[0].data["run"] == 1
    assert set(found[0].data) == {"job_id", "run", "state", "at", "detail"}


def test_one_job_is_followed_from_its_first_line_to_its_end(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    path = f"/api/v1/jobs/{request.job_id}/events"
    with following(client, path) as stream:
        begun = stream.until("ready")
        shim.complete(request)
        ended = list(stream)
    assert [event.data["state"] for event in (*begun, *ended)] == ["queued", "completed"]
    with following(client, path) as again:
        assert [event.data["state"] for event in again if event.name == "state"] == ["queued", "completed"]
    known = client.get(path, headers={"Last-Event-ID": ended[-1].id})
    assert (known.status_code, known.content) == (204, b"")


@pytest.mark.parametrize("breaks", [1, 2, 3, 5])
def test_whoever_comes_back_goes_on_where_the_stream_broke(
    shim: RunningShim, client: httpx.Client, breaks: int
) -> None:
    """Also when it broke among events that came at once, or in the middle of what was missed."""
    with following(client) as stream:
        stream.until("ready")
        position = stream.last_id
    jobs = [request_of(client) for _ in range(6)]
    for job in jobs[:3]:
        shim.complete(job)
    told: list[Event] = []
    while len(told) < 9:
        with following(client, last_id=position) as stream:
            for event in stream:
                told += [event] if event.name == "state" else []
                position = event.id
                if len(told) % breaks == 0 or len(told) == 9:
                    break
    expected = [(str(job.job_id), "queued") for job in jobs] + [(str(job.job_id), "completed") for job in jobs[:3]]
    assert [(event.data["job_id"], event.data["state"]) for event in told] == expected


def test_what_is_committed_late_is_not_passed_over(shim: RunningShim, client: httpx.Client) -> None:
    """A line with a lower number than one that was told, written by a transaction that is still open then."""
    slow, quick = request_of(client), request_of(client)
    insert = "INSERT INTO job_events (job_id, run, state) VALUES (%s, 1, 'transcribing')"
    with psycopg.connect(shim.dsn) as open_one, following(client) as stream:
        stream.until("ready")
        open_one.execute(insert, [slow.job_id])
        with psycopg.connect(shim.dsn) as other:
            other.execute(insert, [quick.job_id])
        first = next(stream)
        assert first.data["job_id"] == str(quick.job_id)
        open_one.commit()
        assert next(stream).data["job_id"] == str(slow.job_id)
    with following(client, last_id=first.id) as back:  # whoever left between the two
        assert [event.data["job_id"] for event in back.until("ready")] == [str(slow.job_id)]


def test_progress_is_told_while_a_job_is_worked_on(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    with following(client) as stream:
        stream.until("ready")
        with psycopg.connect(shim.dsn) as connection:
            connection.execute(
                "UPDATE jobs SET state = 'transcribing', done_seconds = 30, total_seconds = 120 WHERE job_id = %s",
                [request.job_id],
            )
        event = next(stream)
    expected = {"job_id": str(request.job_id), "run": 1, "done_seconds": 30, "total_seconds": 120, "fraction": 0.25}
    assert (event.name, event.data) == ("progress", expected)


def test_history_of_before_these_events_is_told_too(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    with psycopg.connect(shim.dsn) as connection:
        connection.execute("UPDATE job_events SET xid = NULL")
    with following(client, f"/api/v1/jobs/{request.job_id}/events") as stream:
        begun = stream.until("ready")
    assert states(begun, request.job_id) == ["queued"]
    with following(client, f"/api/v1/jobs/{request.job_id}/events", begun[0].id) as stream:
        assert stream.until("ready") == []


@pytest.mark.parametrize(
    "given",
    [
        "x",
        "1",
        "5:3:",
        "0:0:",
        "1:2:3",
        "1:9:3,2",
        "1:1:/1:1:",
        "1:1:/1:1:/x",
        "9" * 40 + ":1:",
        "1:1:/1:1:/" + "9" * 30,
    ],
)
def test_a_forged_position_is_a_clear_error(client: httpx.Client, given: str) -> None:
    problem = check_problem(client.get(EVENTS, headers={"Last-Event-ID": given}), 422, "invalid_request")
    assert "Last-Event-ID" in problem["detail"]


def test_a_position_of_another_database_is_not_waited_for(client: httpx.Client) -> None:
    """As after a restore: PostgreSQL counts its transactions anew."""
    later = f"{2**62}:{2**62}:"
    problem = check_problem(client.get(EVENTS, headers={"Last-Event-ID": later}), 422, "invalid_request")
    assert "another database" in problem["detail"]


def test_a_foreign_position_shows_nothing_foreign(shim: RunningShim, client: httpx.Client) -> None:
    request_of(client)
    with shim.client(shim.key_of("globex")) as other, following(other, last_id="1:1:") as stream:
        assert stream.until("ready") == []


def test_a_foreign_job_is_followed_like_one_that_is_not_there(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    with shim.client(shim.key_of("globex")) as other:
        for job_id in (request.job_id, uuid4()):
            check_problem(other.get(f"/api/v1/jobs/{job_id}/events"), 404, "not_found")


def test_many_who_come_and_go_hear_everything_once(shim: RunningShim, client: httpx.Client) -> None:
    """Sixty clients that leave at any event, while jobs come and end beside them."""
    with following(client) as stream:
        stream.until("ready")
        beginning = stream.last_id
    jobs: list[UUID] = []
    done = threading.Event()

    def work() -> None:
        with shim.client() as own:
            for number in range(40):
                request = request_of(own)
                jobs.append(request.job_id)
                if number % 2:
                    shim.complete(request)
        done.set()

    async def follow(own: httpx.AsyncClient, seed: int) -> list[tuple[str, str]]:
        heard: list[tuple[str, str]] = []
        position, length = beginning, seed % 7 + 1
        while len(heard) < 60:
            async with own.stream("GET", EVENTS, headers={"Last-Event-ID": position}) as answer:
                name, left = "", length
                async for line in answer.aiter_lines():
                    field, _, value = line.partition(": ")
                    if field == "id":
                        position_next = value
                    elif field == "event":
                        name = value
                    elif field == "data" and name == "state":
                        data = json.loads(value)
                        heard.append((data["job_id"], data["state"]))
                        position, left = position_next, left - 1
                    if left == 0 or len(heard) == 60:
                        break
        return heard

    async def all_of_them() -> list[list[tuple[str, str]]]:
        headers = {"X-API-Key": shim.key}
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=shim.url, headers=headers, timeout=90, trust_env=False, limits=limits
        ) as own:
            return await asyncio.gather(*(follow(own, seed) for seed in range(60)))

    worker = threading.Thread(target=work)
    worker.start()
    found = asyncio.run(all_of_them())
    worker.join()
    expected = [(str(job), "queued") for job in jobs] + [(str(job), "completed") for job in jobs[1::2]]
    for heard in found:
        assert sorted(heard) == sorted(expected)
        assert all(heard.index((str(job), "queued")) < heard.index((str(job), "completed")) for job in jobs[1::2])


def test_who_leaves_before_the_stream_begins_frees_its_place(database: str) -> None:
    """As one does that waits in vain for its turn to read what it missed."""
    streams, no_turn = TenantConcurrencyLimiter(1, 1, seconds=60), TenantConcurrencyLimiter(0, 0, seconds=90)
    with serving(database, MemoryObjectStore(), streams=streams, catch_ups=no_turn) as shim, shim.client() as client:
        with socket.create_connection(("127.0.0.1", httpx.URL(shim.url).port or 0)) as left:
            head = f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nX-API-Key: {shim.key}\r\nLast-Event-ID: 1:1:\r\n\r\n"
            left.sendall(head.encode())
            wait_for(lambda: any(place.locked() for place in streams._own.values()))
        with following(client) as stream:
            assert next(stream).name == "ready"


def test_a_stream_ends_when_its_key_does(shim: RunningShim, client: httpx.Client) -> None:
    """It would tell of what happens for as long as its client stays."""
    with following(client) as stream:
        stream.until("ready")
        assert in_database(shim.dsn, lambda database: revoke_key(database, shim.key.split("_")[2]))
        assert [event.name for event in stream] == []


def test_the_stream_of_a_job_ends_when_the_job_is_erased(
    shim: RunningShim, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.api.events.streams.BEAT_SECONDS", 0.0)
    request = request_of(client)
    with following(client, f"/api/v1/jobs/{request.job_id}/events") as stream:
        stream.until("ready")
        assert client.delete(f"/api/v1/jobs/{request.job_id}?erase=true").status_code == 202
        assert {event.name for event in stream} <= {"state"}


def test_a_job_whose_history_was_deleted_is_over(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    shim.complete(request)
    rows(shim, "DELETE FROM job_events RETURNING 1")
    assert client.get(f"/api/v1/jobs/{request.job_id}/events").status_code == 204


def test_lines_of_another_server_are_history_and_no_news(shim: RunningShim, client: httpx.Client) -> None:
    """As after a restore from a dump: their transactions are beyond all that this server has had."""
    request = request_of(client)
    shim.complete(request)
    rows(shim, "UPDATE job_events SET xid = '5000000000' RETURNING 1")
    with following(client) as stream:
        stream.until("ready")
        assert rows(shim, "SELECT count(*) FROM job_events WHERE xid IS NOT NULL") == [(0,)]
        later = request_of(client)
        assert next(stream).data["job_id"] == str(later.job_id)
    with following(client, f"/api/v1/jobs/{request.job_id}/events") as stream:
        assert states(list(stream)[:-1], request.job_id) == ["queued", "completed"]
