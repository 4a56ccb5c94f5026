"""What the client reads for long: events of jobs, the end of a job, recordings; with connections that are cut."""

import io
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import uuid4

import pytest

from producers.api.jobs.results.audio import PART_BYTES
from producers.client import (
    Client,
    JobEvent,
    NotFound,
    ProgressMade,
    StateChanged,
    StreamReady,
    Unauthorized,
    UnexpectedAnswer,
    WaitExpired,
)
from tests.integration.client.breaking import CuttingProxy, cutting
from tests.integration.client.clients import Opener
from tests.integration.client.scripted import answer, away, scripted
from tests.integration.commands import last_job
from tests.integration.rest import URL, rows
from tests.integration.shim import RunningShim

SILENT = answer(200, b"", content_type="text/event-stream")


@pytest.fixture
def way(shim: RunningShim) -> Iterator[CuttingProxy]:
    with cutting(shim.url) as proxy:
        yield proxy


def states(events: list[JobEvent]) -> list[str]:
    return [event.state for event in events if isinstance(event, StateChanged)]


def test_the_events_of_a_job_end_with_it(shim: RunningShim, api: Client) -> None:
    job = api.submit(URL)
    shim.complete(last_job(shim))
    found = list(api.events(job.job_id))
    assert states(found) == ["queued", "completed"]
    assert {event.job_id for event in found if isinstance(event, StateChanged)} == {job.job_id}
    last = [event.event_id for event in found if isinstance(event, StateChanged)]
    assert states(list(api.events(job.job_id, last_event_id=last[0]))) == ["completed"]
    assert list(api.events(job.job_id, last_event_id=last[1])) == []


def test_all_jobs_are_followed_from_now_on_over_a_cut(shim: RunningShim, way: CuttingProxy, client_of: Opener) -> None:
    """Nothing is left out and nothing comes twice, also what happened meanwhile."""
    api, other = client_of(way.url, shim.key), client_of(shim.url, shim.key)
    other.submit(URL)
    events = api.events()
    assert isinstance(next(events), StreamReady)
    ids = [other.submit(URL).job_id]
    seen = [next(events)]
    for _ in range(3):
        way.cut()
        ids += [other.submit(URL).job_id for _ in range(2)]
        seen += islice(events, 2)
    assert [event.job_id for event in seen if isinstance(event, StateChanged)] == ids
    assert way.accepted >= 4


def test_a_stream_that_breaks_within_an_event_is_read_whole(
    shim: RunningShim, way: CuttingProxy, client_of: Opener
) -> None:
    api = client_of(way.url, shim.key)
    job = client_of(shim.url, shim.key).submit(URL)
    way.most_bytes = 420
    events = api.events(job.job_id)
    timer = threading.Timer(3, lambda: setattr(way, "most_bytes", None))
    timer.start()
    shim.complete(last_job(shim))
    assert states(list(events)) == ["queued", "completed"]
    timer.join()


def test_progress_is_an_event(shim: RunningShim, api: Client) -> None:
    job = api.submit(URL)
    events = api.events(job.job_id)
    assert states([next(events)]) == ["queued"]
    assert isinstance(next(events), StreamReady)
    rows(shim, "UPDATE jobs SET done_seconds = 1, total_seconds = 4 WHERE job_id = %s RETURNING 1", job.job_id)
    shim.complete(last_job(shim))
    assert states([event for event in events if not isinstance(event, ProgressMade)]) == ["completed"]


def test_a_stream_of_nothing_is_an_error(api: Client, shim: RunningShim, client_of: Opener) -> None:
    with pytest.raises(NotFound):
        next(api.events(uuid4()))
    with pytest.raises(Unauthorized):
        next(client_of(shim.url, "sr_live_x").events())
    with scripted(answer(200, b"<html>", content_type="text/html")) as server, pytest.raises(UnexpectedAnswer):
        next(client_of(server.url).events())


def test_a_stream_waits_for_a_service_that_is_away(client_of: Opener) -> None:
    event = b'retry: 0\n\nid: 7\nevent: state\ndata: {"job_id": "%s", "run": 1,\ndata: "state": "queued",' % (
        str(uuid4()).encode()
    )
    event += b' "at": "2026-01-31T12:00:00Z", "detail": {}}\n\nevent: surprise\ndata: ?\n\n'
    stream = answer(200, event, content_type="text/event-stream")
    over = b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n"
    with scripted(away(), SILENT, away(), stream, away(), over) as server:
        assert states(list(client_of(server.url).events(uuid4()))) == ["queued"]
    assert server.headers("last-event-id") == [None, None, None, None, "7", "7"]


def test_the_end_of_a_job_is_waited_for(shim: RunningShim, way: CuttingProxy, client_of: Opener) -> None:
    api = client_of(way.url, shim.key)
    job = api.submit(URL)
    request = last_job(shim)
    timers = [threading.Timer(1, way.cut), threading.Timer(2, shim.complete, [request])]
    for timer in timers:
        timer.start()
    assert api.wait(job.job_id, timeout_seconds=120).state == "completed"
    for timer in timers:
        timer.join()
    assert api.wait(job.job_id, timeout_seconds=0).state == "completed"


def test_the_end_of_an_earlier_run_is_no_end(shim: RunningShim, way: CuttingProxy, client_of: Opener) -> None:
    """The stream begins with it; whoever waits does not ask again and again for that."""
    api = client_of(way.url, shim.key)
    job = api.submit(URL)
    shim.complete(last_job(shim))
    rows(shim, "UPDATE jobs SET state = 'queued', run = 2 WHERE job_id = %s RETURNING 1", job.job_id)
    before = way.accepted
    with pytest.raises(WaitExpired):
        api.wait(job.job_id, timeout_seconds=17)
    assert way.accepted - before < 10


def test_waiting_has_an_end(api: Client) -> None:
    job = api.submit(URL)
    with pytest.raises(WaitExpired) as caught:
        api.wait(job.job_id, timeout_seconds=1)
    assert (caught.value.job.job_id, caught.value.job.state) == (job.job_id, "queued")


def test_a_recording_is_saved_over_cuts(
    shim: RunningShim, way: CuttingProxy, client_of: Opener, tmp_path: Path
) -> None:
    """Longer than the part that an answer has; each connection breaks off after a while."""
    body = b"RIFF" + bytes(range(256)) * ((PART_BYTES + 1_000_000) // 256)
    job = client_of(shim.url, shim.key).upload(io.BytesIO(body), name="call.wav")
    way.most_bytes = 3_000_000
    saved = client_of(way.url, shim.key).save_audio(job.job_id, tmp_path / "call.wav")
    assert saved.read_bytes() == body
    assert [each.name for each in tmp_path.iterdir()] == ["call.wav"]
    assert way.accepted > 3


def test_a_recording_that_changed_is_begun_anew(client_of: Opener, tmp_path: Path) -> None:
    first = answer(206, b"old", length=6, content_range="bytes 0-5/6", etag='"a"')
    with scripted(first, answer(200, b"newer", etag='"b"')) as server:
        assert client_of(server.url).save_audio(uuid4(), tmp_path / "x").read_bytes() == b"newer"
    assert server.headers("range") == ["bytes=0-", "bytes=3-"]
    assert server.headers("if-range") == [None, '"a"']
    with scripted(answer(206, b"x", content_range="bytes 5-5/6")) as server, pytest.raises(UnexpectedAnswer):
        client_of(server.url).save_audio(uuid4(), tmp_path / "y")
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
