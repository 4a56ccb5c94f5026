"""`scribe-api` as a process: how it starts, what it keeps in memory, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx
import psutil
import pytest
from anyio.to_thread import run_sync as to_thread
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local import ports
from deploy.local.stack import Stack
from sink.tenants.api_keys import create_key
from tests.integration.commands import CLEAN
from tests.integration.hostile import HALVES
from tests.integration.rest import check_openai_error
from tests.integration.shim import in_database
from tests.integration.waiting import wait_for
from tests.sink.breakable_proxy import breakable

COMMAND = [sys.executable, "-m", "producers.api"]


@contextmanager
def started(
    values: Mapping[str, str], *, files: int | None = None, out: IO[bytes] | int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """The process, which may open so many `files`, and a client of it."""
    port = ports.choose(["api"], {}, {})["api"]
    limit = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
    process = subprocess.Popen(
        [*limit, *COMMAND, "--port", str(port)], env={**CLEAN, **values}, stdout=out, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


@contextmanager
def api(**values: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """The same, when it is ready."""
    with started(values) as (process, client):
        wait_for(lambda: answers(client, "/readyz"))
        yield process, client


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def settings(stack: Stack, database: str, bucket: str) -> dict[str, str]:
    return {
        **{name: value for name, value in stack.environment().items() if "REGISTRY" not in name},
        "SCRIBE_POSTGRES_DSN": database,
        "SCRIBE_S3_BUCKET": bucket,
    }


def test_streams_of_events_end_with_the_process(settings: dict[str, str]) -> None:
    """They would go on for as long as their clients stay, and their clients find another process by themselves."""
    key = in_database(settings["SCRIBE_POSTGRES_DSN"], lambda database: create_key(database, "acme"))
    with (
        api(**settings) as (process, client),
        client.stream("GET", "/api/v1/events", headers={"X-API-Key": key}) as answer,
    ):
        lines = answer.iter_lines()
        assert "event: ready" in lines
        process.send_signal(signal.SIGTERM)
        assert [*lines] == ["data: {}", ""]  # a whole answer: a broken one raises
        assert process.wait(90) == 0


def test_sigterm_does_not_wait_for_those_who_wait_for_jobs(settings: dict[str, str]) -> None:
    """They are told to come again, and find their job at another process; the longest wait is a setting."""
    key = in_database(settings["SCRIBE_POSTGRES_DSN"], lambda database: create_key(database, "acme"))
    files = {"file": ("a.wav", b"RIFF")}
    path, headers = "/v1/audio/transcriptions", {"Authorization": f"Bearer {key}"}
    with api(**settings) as (process, client), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, path, headers=headers, files=files)
        wait_for(lambda: "scribe_rabbit_http_requests_in_progress 2.0" in client.get("/metrics").text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        answer = waiting.result(60)
    check_openai_error(answer, 503, "unavailable")
    assert answer.headers["retry-after"]
    with api(**settings, SCRIBE_API_WAIT_SECONDS="1") as (_, client):
        late = client.post(path, headers=headers, files=files)
    check_openai_error(late, 504, "not_ready")
    assert late.headers["x-scribe-job-id"] == answer.headers["x-scribe-job-id"]


def test_sigterm_is_a_good_end_and_its_log_is_json_on_stdout(settings: dict[str, str]) -> None:
    """From the first line to the last; stderr is for what must be said before there is a log."""
    port = ports.choose(["api"], {}, {})["api"]
    environment = {**CLEAN, **settings, "SCRIBE_LOG_FIELDS": "gcp"}
    with (
        subprocess.Popen(
            [*COMMAND, "--port", str(port)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        wait_for(lambda: answers(client, "/readyz"))
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    lines = [json.loads(line) for line in said.splitlines()]
    assert f"listening on http://127.0.0.1:{port}" in [line["message"] for line in lines]
    assert {line["severity"] for line in lines} == {"INFO"}


def test_a_large_upload_does_not_lie_in_memory(settings: dict[str, str]) -> None:
    """96 MB come in; the process grows by the parts of the object store, not by the file."""
    key = in_database(settings["SCRIBE_POSTGRES_DSN"], lambda database: create_key(database, "acme"))
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    headers = {"X-API-Key": key, "content-type": "multipart/form-data; boundary=b"}
    with api(**settings) as (process, client):
        memory = psutil.Process(process.pid)
        before, most = memory.memory_info().rss, 0

        def body() -> Iterator[bytes]:
            nonlocal most
            yield head
            for _ in range(96):
                yield os.urandom(1024) * 1024
                most = max(most, memory.memory_info().rss)
            yield b"\r\n--b--\r\n"

        answer = client.post("/api/v1/transcribe/upload", content=body(), headers=headers)
        assert answer.status_code == 202, answer.text
    assert most - before < 56 * 1024 * 1024


def test_every_wrong_setting_is_named_at_once() -> None:
    values = {"SCRIBE_KAFKA_BOOTSTRAP": "nonsense", "SCRIBE_API_PORT": "70000", "SCRIBE_S3_ENDPOINT": "nonsense"}
    done = subprocess.run(COMMAND, env={**CLEAN, **values}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert sorted(line.split(":")[0] for line in done.stderr.splitlines()) == sorted(values)


def run_to_end(*arguments: str, **values: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**CLEAN, "COLUMNS": "80", "NO_COLOR": "1", **values},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_fits_a_terminal_and_names_the_variables() -> None:
    done = run_to_end("--help")
    assert done.returncode == 0
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    for word in ("SCRIBE_API_HOST", "SCRIBE_API_PORT", "/docs"):
        assert word in done.stdout


def test_an_address_that_cannot_be_had_is_a_wrong_setting(settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_to_end(**settings, SCRIBE_API_PORT=port)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SCRIBE_API_PORT, SCRIBE_API_HOST: cannot listen on 127.0.0.1:" + port in done.stderr
    assert "Traceback" not in done.stderr
    assert run_to_end(**settings, SCRIBE_API_HOST="no.such.host.invalid").returncode == 2


@pytest.mark.anyio
async def test_it_starts_without_a_database_and_is_ready_when_there_is_one(settings: dict[str, str]) -> None:
    """No supervisor need start it again and again, with longer pauses each time."""
    there = conninfo_to_dict(settings["SCRIBE_POSTGRES_DSN"])
    async with breakable((str(there["host"]), int(str(there["port"])))) as proxy:
        await proxy.cut()
        dsn = make_conninfo(settings["SCRIBE_POSTGRES_DSN"], host="127.0.0.1", port=proxy.port)
        with started({**settings, "SCRIBE_POSTGRES_DSN": dsn}) as (process, client):
            await to_thread(wait_for, lambda: answers(client, "/livez"))
            assert process.poll() is None
            await proxy.mend()
            await to_thread(wait_for, lambda: answers(client, "/readyz"))


@pytest.mark.parametrize(("files", "halves"), [(200, 260), (1024, 1000)])
def test_half_sent_requests_cost_nobody_an_answer(
    files: int, halves: int, settings: dict[str, str], tmp_path: Path
) -> None:
    """With as few open files as there may be; what it has to say of it is said once."""
    log = tmp_path / "log"
    key = in_database(settings["SCRIBE_POSTGRES_DSN"], lambda database: create_key(database, "acme")).encode()
    with log.open("wb") as out, started(settings, files=files, out=out) as (process, client):
        wait_for(lambda: answers(client, "/readyz"))
        for half in HALVES.values():
            sent = half.replace(b"%(key)s", key)
            with ExitStack() as strangers:
                for _ in range(halves):
                    stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", client.base_url.port)))
                    with suppress(ConnectionError):
                        stranger.sendall(sent)
                    if stranger.fileno() % 100 == 0:
                        assert client.get("/livez", headers={"connection": "close"}).status_code == 200
                assert client.get("/readyz", headers={"connection": "close"}).status_code == 200
                assert client.get("/openapi.json", headers={"connection": "close"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert log.read_text().count("connections are open") == 1
    assert len(log.read_text().splitlines()) < 20
