"""Scale-in protection of a task: asked for while jobs run, given up after, whatever the agent answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import pytest

from schemas.errors import SettingsError
from schemas.settings.gpu import EcsSettings
from sink.process.scale_in_protection import ProtectionTiming, ScaleInProtection

FAST = ProtectionTiming(look=0.005, calm=0.02, again=0.02)
SECONDS = 30  # until a test gives up
TAKEN = {"protection": {"ProtectionEnabled": True, "ExpirationDate": "2026-01-31T00:00:00Z", "TaskArn": "arn"}}
REFUSED = {"failure": {"Arn": "arn", "Reason": "DEPLOYMENT_BLOCKED", "Detail": None}}
THROTTLED = {"requestID": "1", "error": {"Arn": "arn", "Code": "ThrottlingException", "Message": "Rate exceeded"}}


class Agent:
    """The ECS agent's endpoint: a real server that notes what it is asked, and answers as it was told."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[tuple[str, str, dict[str, Any]]] = SimpleQueue()
        self.answers: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                agent.asked.put((self.command, self.path, body))
                status, answer = (200, json.dumps(TAKEN).encode()) if agent.answers.empty() else agent.answers.get()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/api/v1"

    def next(self) -> dict[str, Any]:
        method, path, body = self.asked.get(timeout=SECONDS)
        assert (method, path) == ("PUT", "/api/v1/task-protection/v1/state")
        return body


@contextmanager
def agent_of_a_task() -> Iterator[Agent]:
    agent = Agent()
    thread = Thread(target=agent.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield agent
    finally:
        agent.server.shutdown()
        agent.server.server_close()
        thread.join()


def settings(agent: Agent) -> EcsSettings:
    return EcsSettings(ecs_task_protection=True, ecs_agent_uri=agent.address)


def test_a_task_is_protected_while_it_works_and_no_longer() -> None:
    busy = Event()
    with agent_of_a_task() as agent, ScaleInProtection(settings(agent), busy.is_set, FAST):
        busy.set()
        assert agent.next() == {"ProtectionEnabled": True, "ExpiresInMinutes": 60}
        busy.clear()
        assert agent.next() == {"ProtectionEnabled": False}
        busy.set()
        assert agent.next()["ProtectionEnabled"] is True
        assert agent.asked.empty()


def test_protection_is_asked_for_again_before_it_runs_out() -> None:
    brief = ProtectionTiming(look=0.005, lasts=0.05)
    with agent_of_a_task() as agent, ScaleInProtection(settings(agent), lambda: True, brief):
        assert [agent.next()["ProtectionEnabled"] for _ in range(4)] == [True] * 4


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, REFUSED), (400, THROTTLED), (500, {}), (200, []), (200, "nonsense")],
    ids=["a deployment is on", "asked too often", "a server error", "another form", "text"],
)
def test_what_the_agent_refuses_is_asked_for_again(status: int, answer: Any) -> None:
    with agent_of_a_task() as agent:
        agent.answers.put((status, json.dumps(answer).encode()))
        agent.answers.put((status, b"not JSON"))
        with ScaleInProtection(settings(agent), lambda: True, FAST):
            assert [agent.next()["ProtectionEnabled"] for _ in range(3)] == [True] * 3


def test_an_agent_that_is_away_ends_no_process(caplog: pytest.LogCaptureFixture) -> None:
    with agent_of_a_task() as agent:
        gone = settings(agent)
    asked = SimpleQueue[None]()

    def busy() -> bool:
        asked.put(None)
        return True

    with ScaleInProtection(gone, busy, FAST):
        for _ in range(20):
            asked.get(timeout=SECONDS)
    assert "scale-in protection and refused: ConnectError" in caplog.text


def test_nothing_is_asked_where_nobody_wants_it() -> None:
    asked: list[bool] = []

    def busy() -> bool:
        asked.append(True)
        return False

    with agent_of_a_task() as agent:
        elsewhere = EcsSettings(ecs_agent_uri=agent.address)
        with ScaleInProtection(elsewhere, busy, FAST):
            pass
        assert agent.asked.empty()
        assert asked == []


def test_outside_of_ecs_the_setting_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="SCRIBE_ECS_TASK_PROTECTION is for tasks of ECS"):
        ScaleInProtection(EcsSettings(ecs_task_protection=True), lambda: False)
