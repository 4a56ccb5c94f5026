"""The deletion cost of a pod: what is written and when, and the writes as a real HTTPS server gets them."""

import json
import logging
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest
import trustme

from schemas.errors import SettingsError
from schemas.settings.gpu import KubernetesSettings
from schemas.settings.loading import load
from sink.process.pod_deletion_cost import ANNOTATION, DeletionCost, PodDeletionCost

POD = "scribe-gpu-7d9f-abcde"


@pytest.mark.parametrize(
    ("looks", "written"),
    [
        pytest.param([(0.0, 0)], [0], id="the first look is written, idle as well"),
        pytest.param([(0.0, 2), (5.0, 2), (10.0, 2), (20.0, 2)], [2], id="nothing new is not written"),
        pytest.param([(0.0, 0), (3.0, 1), (6.0, 2), (9.9, 2), (10.0, 2)], [0, 2], id="at most once in ten seconds"),
        pytest.param([(0.0, 0), (4.0, 1), (6.0, 0), (10.0, 0)], [0, 1], id="a short job shows too"),
        pytest.param([(0.0, 1), (4.0, 1), (6.0, 0), (10.0, 0), (20.0, 0)], [1, 0], id="idle for ten seconds is idle"),
    ],
)
def test_the_cost_is_the_work_of_the_last_seconds(looks: list[tuple[float, int]], written: list[int]) -> None:
    cost, found = DeletionCost(seconds=10), []
    for now, jobs in looks:
        if (due := cost.due(now, jobs)) is not None:
            found.append(due)
            cost.wrote(due)
    assert found == written


def test_a_write_that_failed_is_due_again() -> None:
    cost = DeletionCost(seconds=10)
    assert [cost.due(0.0, 1), cost.due(5.0, 1), cost.due(10.0, 1)] == [1, None, 1]


@dataclass
class ApiServer:
    """An API server that takes patches of pods: a real one's authority, paths, headers and refusals."""

    account: Path
    url: str = ""
    refusals: list[tuple[int, bytes]] = field(default_factory=list)
    """Answers to the next calls; those after them are accepted."""
    calls: "Queue[tuple[str, str, str, object]]" = field(default_factory=Queue)

    def settings(self) -> KubernetesSettings:
        return KubernetesSettings(pod_name=POD, kubernetes_url=self.url, kubernetes_account=self.account)

    def next_cost(self) -> str:
        """The cost of the next write."""
        _path, _token, _kind, body = self.calls.get(timeout=60)
        assert isinstance(body, dict)
        return str(body["metadata"]["annotations"][ANNOTATION])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    authority = trustme.CA()
    api = ApiServer(tmp_path)
    (tmp_path / "namespace").write_text("scribe-rabbit\n")
    (tmp_path / "token").write_text("first-token\n")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.calls.put((self.path, self.headers["Authorization"], self.headers["Content-Type"], body))
            status, answer = api.refusals.pop(0) if api.refusals else (200, b"{}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    api.url = f"https://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield api
    http.shutdown()
    http.server_close()
    thread.join()


def test_a_pod_tells_of_its_work_and_of_its_end(server: ApiServer) -> None:
    jobs = [2]
    with PodDeletionCost(server.settings(), lambda: jobs[0], write_seconds=0.1):
        path, token, kind, body = server.calls.get(timeout=60)
        assert path == f"/api/v1/namespaces/scribe-rabbit/pods/{POD}"
        assert (token, kind) == ("Bearer first-token", "application/merge-patch+json")
        assert body == {"metadata": {"annotations": {ANNOTATION: "2"}}}
        jobs[0] = 0
        assert server.next_cost() == "0"


def test_a_token_that_was_replaced_is_used(server: ApiServer) -> None:
    jobs = [0]
    with PodDeletionCost(server.settings(), lambda: jobs[0], write_seconds=0.1):
        server.next_cost()
        (server.account / "token").write_text("second-token")
        jobs[0] = 1
        assert server.calls.get(timeout=60)[1] == "Bearer second-token"


def test_a_refusal_is_said_once_and_tried_again(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    forbidden = json.dumps({"message": 'pods "x" is forbidden: cannot patch'}).encode()
    server.refusals = [(403, forbidden), (403, forbidden), (503, b"<html>")]
    with (
        caplog.at_level(logging.INFO, logger="sink.process.pod_deletion_cost"),
        PodDeletionCost(server.settings(), lambda: 1, write_seconds=0.1) as kept,
    ):
        assert [server.next_cost() for _ in range(4)] == ["1"] * 4
        for thread in threading.enumerate():
            if thread.name == "pod-deletion-cost":
                kept.__exit__(None, None, None)
                thread.join()
    said = [record.getMessage() for record in caplog.records]
    assert [text.rpartition(": ")[2] for text in said[:2]] == ["cannot patch", "503 Service Unavailable"]
    assert said[2:] == ["the deletion cost of this pod is written again"]


def test_an_api_server_that_is_away_ends_nothing(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    looked = threading.Semaphore(0)

    def jobs() -> int:
        looked.release()
        return 1

    away = server.settings().model_copy(update={"kubernetes_url": "https://127.0.0.1:1"})
    with PodDeletionCost(away, jobs, write_seconds=0.1):
        assert all(looked.acquire(timeout=60) for _ in range(3))
    assert sum("ConnectError" in record.getMessage() for record in caplog.records) == 1


def test_a_certificate_of_another_authority_gets_no_token(server: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    trustme.CA().cert_pem.write_to_path(str(server.account / "ca.crt"))
    looked = threading.Semaphore(0)

    def jobs() -> int:
        looked.release()
        return 1

    with PodDeletionCost(server.settings(), jobs, write_seconds=0.1):
        assert all(looked.acquire(timeout=60) for _ in range(2))
    assert server.calls.empty()
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_a_name_without_an_account_is_a_mistake_that_says_what_to_do(tmp_path: Path) -> None:
    settings = KubernetesSettings(pod_name=POD, kubernetes_account=tmp_path)
    with pytest.raises(SettingsError, match=r"SCRIBE_POD_NAME: .*namespace.* mount its token, or unset the name"):
        PodDeletionCost(settings, lambda: 0).__enter__()


def test_without_a_name_nothing_is_looked_at(tmp_path: Path) -> None:
    with PodDeletionCost(KubernetesSettings(kubernetes_account=tmp_path), lambda: 0):
        assert "pod-deletion-cost" not in [thread.name for thread in threading.enumerate()]


def test_a_token_goes_nowhere_without_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIBE_KUBERNETES_URL", "http://kubernetes.default.svc")
    monkeypatch.setenv("SCRIBE_POD_NAME", "../../secrets/x")
    with pytest.raises(SettingsError) as caught:
        load(KubernetesSettings)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "SCRIBE_POD_NAME",
        "SCRIBE_KUBERNETES_URL",
    ]
