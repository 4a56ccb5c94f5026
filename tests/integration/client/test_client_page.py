"""The examples of the client's page, as they stand, with the wheel and nothing of the service, on the real service."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from producers.client import Client
from schemas.events import JobRequested
from schemas.wire.serde import Serde
from tests.integration.rest import URL
from tests.integration.shim import RunningShim
from tests.producers.client.package import SOURCE, built, installed, run
from tests.recordings import MONO
from tests.samples import TRANSCRIPT

EXAMPLES = re.findall(r"^```python\n(.*?)^```", (SOURCE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
UPLOADING, MANY, FOLLOWING, FAILING = EXAMPLES


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    return installed(built(folder), folder)


@pytest.fixture
def working(shim: RunningShim) -> Iterator[None]:
    """Every job that is accepted completes soon."""
    stopped = threading.Event()

    def work() -> None:
        done = 0
        with psycopg.connect(shim.dsn, autocommit=True) as connection:
            while not stopped.wait(0.1):
                for number, value in connection.execute(
                    "SELECT id, value FROM outbox WHERE id > %s ORDER BY id", [done]
                ):
                    shim.complete(Serde().decode(bytes(value), JobRequested))
                    done = number

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stopped.set()
    thread.join()


def tried(python: Path, code: str, folder: Path, shim: RunningShim) -> subprocess.CompletedProcess[str]:
    done = run(python, code, folder, SCRIBE_API_URL=shim.url, SCRIBE_API_KEY=shim.key)
    assert (done.returncode, done.stderr) == (0, "")
    return done


@pytest.mark.usefixtures("working")
def test_a_file_becomes_a_transcript(python: Path, shim: RunningShim, tmp_path: Path) -> None:
    (tmp_path / "call.opus").write_bytes(MONO.path.read_bytes())
    shown = tried(python, UPLOADING, tmp_path, shim).stdout
    assert [line.partition(": ")[2] for line in shown.splitlines()] == TRANSCRIPT.text.splitlines()


@pytest.mark.usefixtures("working")
def test_many_are_waited_for_at_once(python: Path, shim: RunningShim, tmp_path: Path) -> None:
    shown = tried(python, MANY, tmp_path, shim).stdout.splitlines()
    assert shown[:2] == ["1.opus completed", "2.opus completed"]
    assert len(shown) == 4


def test_a_program_goes_on_where_it_was(python: Path, shim: RunningShim, tmp_path: Path) -> None:
    """The example has no end: it is ended after what there was."""
    with Client(shim.url, shim.key) as client:
        events = client.events()
        next(events)  # nothing is sent before
        first = client.submit(URL).job_id
        position = next(events).event_id
        events.close()
        second = client.submit(URL).job_id
    (tmp_path / "position").write_text(position)
    ended = FOLLOWING.replace("position.write_text(event.event_id)", "position.write_text(event.event_id); break")
    assert tried(python, ended, tmp_path, shim).stdout == f"{second} queued\n"
    assert first != second
    assert (tmp_path / "position").read_text() != position


def test_an_error_is_caught_by_its_kind(python: Path, shim: RunningShim, tmp_path: Path) -> None:
    assert tried(python, FAILING, tmp_path, shim).stdout == "no such job\n"


def test_the_page_names_the_limits_that_hold(python: Path, tmp_path: Path) -> None:
    code = """
import inspect, json
from scribe_rabbit_client import Client, Retries
from scribe_rabbit_client.operations.following import SILENCE_SECONDS, WAIT_SECONDS
from scribe_rabbit_client.operations.jobs import ANSWER_SECONDS
silence = inspect.signature(Client).parameters["timeout_seconds"].default
print(json.dumps([Retries().attempts, Retries().seconds, silence, SILENCE_SECONDS, WAIT_SECONDS, ANSWER_SECONDS]))
"""
    assert json.loads(run(python, code, tmp_path).stdout) == [4, 60, 30, 45, 3600, 300]
