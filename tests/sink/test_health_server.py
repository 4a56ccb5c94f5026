"""Probes of a process: what each address answers, and that a wrong port is a clear mistake."""

import socket
import threading
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from schemas import metrics
from schemas.errors import SettingsError
from schemas.settings import ServiceSettings
from sink.health_server import MOST_CALLERS, HealthServer

SETTINGS = ServiceSettings(metrics_port=0)


def get(server: HealthServer, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False, timeout=60)


def test_a_process_that_is_well_says_so() -> None:
    with HealthServer(SETTINGS) as server:
        assert [get(server, path).status_code for path in ("/livez", "/readyz", "/health")] == [200, 200, 200]


def test_each_check_answers_for_itself_with_its_reason() -> None:
    with HealthServer(SETTINGS, ready=lambda: "PostgreSQL is away") as server:
        answer = get(server, "/readyz?verbose=1")
        assert (answer.status_code, answer.text) == (503, "PostgreSQL is away\n")
        assert get(server, "/livez").status_code == 200


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
    monkeypatch.setattr("sink.health_server.CALL_SECONDS", 0.3)
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
