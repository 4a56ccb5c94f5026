"""Ctrl-C and SIGTERM: the command says what goes on and how to come back, and ends with 130 or 143."""

import signal
import socket
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import psycopg
import pytest

from producers.api.jobs.results.enhanced_ai import EnhancementView
from tests.integration.commands import Started, for_shim, last_job
from tests.integration.shim import RunningShim
from tests.integration.waiting import wait_for

SIGNALS = pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


SLOW = "still waiting"


def line_of(command: Started) -> str:
    """The next line, without those of a machine that is slow."""
    while (line := command.line()).startswith(SLOW):
        pass
    return line


@SIGNALS
def test_a_job_that_is_watched_goes_on(shim: RunningShim, number: signal.Signals, status: int) -> None:
    submitted = Started("submit", "https://media.example/1.mp3", "--watch", **for_shim(shim))
    named, seen = line_of(submitted), line_of(submitted)
    job_id = last_job(shim).job_id
    assert (named, seen) == (f"job {job_id}", "queued")
    words = [f"the job goes on; back to it: scribe watch {job_id}; to stop it: scribe cancel {job_id}"]
    assert submitted.interrupt(number) == (status, "", words)
    watching = Started("watch", str(job_id), **for_shim(shim))
    assert line_of(watching) == "queued"
    assert watching.interrupt(number) == (status, "", words)


def test_a_submission_without_an_answer_can_be_done_again() -> None:
    """It carries an id from the start, so the second one is the same job."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = {"SCRIBE_API_URL": f"http://127.0.0.1:{listener.getsockname()[1]}", "SCRIBE_API_KEY": "k"}
        submitted = Started("submit", "https://media.example/1.mp3", **where)
        connection, _ = listener.accept()
        with connection:
            said = b""
            while b"}" not in said:
                said += connection.recv(65536)
            code, out, err = submitted.interrupt(signal.SIGINT)
    sent = said.decode().split('"job_id":"', 1)[1].split('"')[0]
    assert (code, out) == (130, "")
    assert [line for line in err if not line.startswith(SLOW)] == [
        (
            f"interrupted: whether there is a job is not known; see: scribe watch {UUID(sent)};"
            f" to submit it again: --job-id {sent}"
        )
    ]


ENHANCEMENT = EnhancementView(
    enhancement_id=UUID("5d0c3a56-07cf-4c0e-8f3d-6a8f4a2f7b20"),
    state="queued",
    links={},
    job_id=uuid4(),
    run=1,
    enable_summarization=True,
    enable_entity_extraction=False,
    llm_model=None,
    summary=None,
    entities=[],
    model=None,
    tokens=None,
    error=None,
    requested_at=datetime.now(UTC),
    completed_at=None,
)


class Waiting(BaseHTTPRequestHandler):
    """An enhancement that never ends."""

    disable_nagle_algorithm = True

    def answer(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        self.rfile.read(length)
        body = ENHANCEMENT.model_dump_json().encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.calls += 1  # type: ignore[attr-defined]

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        return None


@SIGNALS
def test_an_enhancement_goes_on(number: signal.Signals, status: int) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Waiting)
    server.calls = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        where = {"SCRIBE_API_URL": f"http://127.0.0.1:{server.server_port}", "SCRIBE_API_KEY": "k"}
        job_id = uuid4()
        asked = Started("enhance", str(job_id), "--summarize", "--watch", **where)
        wait_for(lambda: server.calls > 1)  # type: ignore[attr-defined]
        assert asked.interrupt(number) == (
            status,
            "",
            [
                (
                    f"the enhancement goes on; back to it: scribe enhance {job_id} --summarize --watch"
                    " --enhancement-id 5d0c3a56-07cf-4c0e-8f3d-6a8f4a2f7b20"
                )
            ],
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def waits(connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return bool(row and row[0])


@SIGNALS
def test_work_in_the_database_says_what_was_done(database: str, number: signal.Signals, status: int) -> None:
    """A command that waits for a lock, as for whoever else works on the same."""
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as looking:
        holder.execute("LOCK TABLE jobs, segments IN ACCESS EXCLUSIVE MODE")
        for arguments, words in (
            (("database", "index"), "interrupted; what was indexed stays, and the same command goes on"),
            (
                ("erase", str(uuid4()), "--tenant", "acme"),
                "interrupted: 0 erased, objects follow by `scribe-streams retention`; asked again it goes on",
            ),
        ):
            started = Started(*arguments, SCRIBE_POSTGRES_DSN=database)
            wait_for(lambda: waits(looking))
            assert started.interrupt(number) == (status, "", [words])
            wait_for(lambda: not waits(looking))
