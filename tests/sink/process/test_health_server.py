"""Probes of a process: what each address answers, and that a wrong port is a clear mistake."""

import logging
import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from schemas import metrics
from schemas.errors import SettingsError
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, PartitionState, Waiting, WaitReport, from_json
from schemas.settings.service import ServiceSettings
from sink.process.health_server import MOST_CALLERS, HealthServer

SETTINGS = ServiceSettings(metrics_port=0)


def get(server: HealthServer, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False, timeout=60)


def test_a_process_that_is_well_says_so() -> None:
    with HealthServer(SETTINGS) as server:
        assert [get(server, path).status_code for path in ("/livez", "/readyz", "/health")] == [200, 200, 200]


def test_each_check_answers_for_itself_with_its_reason() -> None:
    with HealthServer(SETTINGS, ready=lambda: "PostgreSQL is away") as server:
        answer = get(server, "/readyz?from=probe")
        assert (answer.status_code, answer.text) == (503, "PostgreSQL is away\n")
        assert get(server, "/livez").status_code == 200


REPORT = WaitReport(
    (Waiting("g", WaitReason.TURN, 3, 1.5),),
    (ClosedGate("g", WaitReason.LOOKAHEAD_FULL, 2),),
    (PartitionState("g", "jobs", 1, 7, 1, (), {8: WaitReason.TURN}),),
)


def test_what_waits_is_told_to_who_asks_for_more() -> None:
    with HealthServer(SETTINGS, ready=lambda: "draining", waits=lambda: REPORT) as server:
        for query in ("?verbose", "?verbose=1"):
            answer = get(server, f"/readyz{query}")
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
            told = answer.json()
            assert (told["ready"], told["reason"]) == (False, "draining")
            assert from_json(told) == REPORT
        assert get(server, "/readyz").text == "draining\n"
        assert get(server, "/livez?verbose").text == "ok\n"


def test_what_waits_is_a_metric_that_falls_back_to_nothing() -> None:
    reports = [REPORT, WaitReport()]
    waiting, closed = 'scribe_rabbit_jobs_waiting{group="g",reason="turn"}', "scribe_rabbit_gates_closed{"
    with HealthServer(SETTINGS, waits=lambda: reports.pop(0)) as server:
        shown = get(server, "/metrics").text
        assert f"{waiting} 3.0\n" in shown
        assert f'{closed}group="g",reason="lookahead_full"}} 2.0\n' in shown
        assert f"{waiting} 0.0\n" in get(server, "/metrics").text


def test_metrics_are_those_of_the_process() -> None:
    metrics.JOBS_COMPLETED.inc()
    with HealthServer(SETTINGS) as server:
        assert "scribe_rabbit_jobs_completed_total" in get(server, "/metrics").text


def test_other_addresses_are_not_found() -> None:
    with HealthServer(SETTINGS) as server:
        assert get(server, "/").status_code == 404


def test_without_a_port_nothing_listens() -> None:
    with HealthServer(ServiceSettings(metrics_port=None)) as server:
        assert server.port is None


def test_a_taken_port_is_a_mistake_in_the_settings() -> None:
    with HealthServer(SETTINGS) as first, pytest.raises(SettingsError, match="SCRIBE_METRICS_PORT"):
        HealthServer(ServiceSettings(metrics_port=first.port)).__enter__()


def said(server: HealthServer, data: bytes) -> bytes:
    """All that is answered to some bytes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port or 0), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65_536):
            answer += more
    return answer


def test_head_is_get_without_the_body() -> None:
    with HealthServer(SETTINGS, ready=lambda: "PostgreSQL is away") as server:
        for path, status in (("/livez", 200), ("/readyz", 503), ("/metrics", 200), ("/", 404)):
            answer = said(server, f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
            assert answer.startswith(f"HTTP/1.0 {status} ".encode())
            assert answer.endswith(b"\r\n\r\n")
            assert b"Content-Length: " in answer


NO_PROBES = [
    (b"POST /livez HTTP/1.0\r\n\r\n", 405),
    (b"BREW /livez HTTP/1.1\r\n\r\n", 405),
    (b"GET /livez HTTP/9.9\r\n\r\n", 505),
    (b"GET /livez nonsense\r\n\r\n", 400),
    (b"GET " + b"/" * 70_000 + b" HTTP/1.0\r\n\r\n", 414),
    (b"GET /livez HTTP/1.0\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    (b"GET /livez HTTP/1.0\r\n" + b"A: a\r\n" * 200 + b"\r\n", 431),
]


def test_what_is_no_probe_is_told_so_in_plain_text(caplog: pytest.LogCaptureFixture) -> None:
    with HealthServer(SETTINGS) as server:
        for data, status in NO_PROBES:
            answer = said(server, data)
            assert b" %d " % status in answer.split(b"\r\n")[0], data[:40]
            assert b"Content-Type: text/plain" in answer
            assert b"<" not in answer
            assert b"Python" not in answer
            assert (b"Allow: GET, HEAD" in answer) == (status == 405)
        assert get(server, "/livez").status_code == 200
    assert caplog.records == []


def test_a_probe_that_hangs_up_is_no_news(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """At any moment: before it asks, with half a request, and before the answer is there."""
    asked, gone = threading.Event(), threading.Event()

    def slow() -> str:
        asked.set()
        assert gone.wait(60)
        return "x" * 5_000_000  # more than the socket takes in by itself

    with HealthServer(SETTINGS, ready=slow) as server:
        for data in (b"", b"GET", b"GET /livez HTTP/1.1\r\n", b"GET /readyz HTTP/1.1\r\n\r\n"):
            connection = socket.create_connection(("127.0.0.1", server.port or 0), timeout=60)
            # close with a reset, as a probe does that is killed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(data)
            if b"readyz" in data:
                assert asked.wait(60)
            connection.close()
        gone.set()
        assert get(server, "/livez").status_code == 200
    for thread in [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]:
        thread.join(60)
    assert caplog.records == []
    assert capsys.readouterr() == ("", "")


def test_a_check_that_breaks_is_news(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> str:
        raise RuntimeError("a bug")

    with HealthServer(SETTINGS, ready=broken) as server, pytest.raises(httpx.RemoteProtocolError):
        get(server, "/readyz")
    (record,) = caplog.records
    assert (record.levelno, "a bug" in str(record.exc_info)) == (logging.ERROR, True)


STALLED = [b"", b"GET /liv", b"GET /livez HTTP/1.1\r\nX: "]


@pytest.mark.parametrize("first", STALLED)
def test_callers_that_say_nothing_hold_no_more_than_some_threads(first: bytes) -> None:
    """However many there are, the next one is answered."""
    with HealthServer(SETTINGS) as server, ExitStack() as callers:
        before = threading.active_count()
        for _ in range(5 * MOST_CALLERS):
            caller = callers.enter_context(socket.create_connection(("127.0.0.1", server.port or 0)))
            with suppress(ConnectionError):
                caller.sendall(first)
        assert get(server, "/livez").status_code == 200
        while threading.active_count() > before + MOST_CALLERS:
            time.sleep(0.01)


def test_a_trickle_gives_a_caller_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sink.process.health_server.CALL_SECONDS", 0.3)
    with HealthServer(SETTINGS) as server, socket.create_connection(("127.0.0.1", server.port or 0)) as caller:
        caller.settimeout(0.05)
        with pytest.raises(ConnectionError):
            drip(caller)


def drip(caller: socket.socket) -> None:
    """A byte at a time, until the other end has hung up."""
    while True:
        caller.sendall(b"G")
        with suppress(TimeoutError):
            if not caller.recv(1000):
                raise ConnectionResetError
