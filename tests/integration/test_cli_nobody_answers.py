"""Commands whose other side is away: which address does not answer, which setting names it, and soon."""

import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from tests.integration.commands import Run

Call = tuple[tuple[str, ...], dict[str, str], str]
REFUSING = "127.0.0.1:9"


def calls(address: str) -> list[Call]:
    """A command for each outside system, and the setting that names it."""
    url, key, job = f"http://{address}", {"SCRIBE_API_KEY": "k"}, str(uuid4())
    kafka: dict[str, str] = {"SCRIBE_KAFKA_BOOTSTRAP": address}
    return [
        (("models",), {"SCRIBE_API_URL": url, **key}, "SCRIBE_API_URL"),
        (("submit", "https://a.example/x"), {"SCRIBE_API_URL": url, **key}, "SCRIBE_API_URL"),
        (("keys", "list"), {"SCRIBE_POSTGRES_DSN": f"postgresql://x@{address}/x"}, "SCRIBE_POSTGRES_DSN"),
        (("database", "migrate"), {"SCRIBE_POSTGRES_DSN": f"postgresql://x@{address}/x"}, "SCRIBE_POSTGRES_DSN"),
        (("schemas", "check"), {"SCRIBE_SCHEMA_REGISTRY_URL": url}, "SCRIBE_SCHEMA_REGISTRY_URL"),
        (("topics", "check"), kafka, "SCRIBE_KAFKA_BOOTSTRAP"),
        (("dlq", "list"), kafka, "SCRIBE_KAFKA_BOOTSTRAP"),
        (("replay", "--tenant", "acme"), kafka, "SCRIBE_KAFKA_BOOTSTRAP"),
        (("tenants", "list"), kafka, "SCRIBE_KAFKA_BOOTSTRAP"),
        (("cancel", job, "--direct", "--tenant", "acme"), kafka, "SCRIBE_KAFKA_BOOTSTRAP"),
        (("submit", "https://a.example/x", "--via", "kafka", "--tenant", "acme"), kafka, "SCRIBE_KAFKA_BOOTSTRAP"),
    ]


@pytest.mark.parametrize("call", calls(REFUSING), ids=lambda call: " ".join(call[0][:2]))
def test_an_address_that_takes_no_connection_is_named_at_once(call: Call, run_here: Run) -> None:
    """In one line, without a word that something is still waited for."""
    arguments, values, setting = call
    done = run_here(*arguments, **values)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert REFUSING in line
    assert line.endswith(f"See {setting}") or f"See {setting};" in line


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("number", [0, 2, 4, 5], ids=["rest", "postgres", "registry", "kafka"])
def test_one_that_says_nothing_is_named_while_it_is_waited_for(silent: str, number: int, run_here: Run) -> None:
    arguments, values, setting = calls(silent)[number]
    done = run_here(*arguments, **values)
    assert done.returncode == 1
    waiting, failed = done.stderr.splitlines()
    assert waiting.startswith("still waiting for ")
    assert silent in waiting
    assert silent in failed
    assert failed.endswith(f"See {setting}")


def test_an_object_store_that_is_away_is_named_before_a_file_is_sent(
    stack: Stack, tmp_path: Path, topic_admin: object, run_here: Run
) -> None:
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF" * 10)
    values = {**stack.environment(), "SCRIBE_S3_ENDPOINT": f"http://{REFUSING}"}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    assert run_here("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    done = run_here("submit", str(recording), "--via", "kafka", "--tenant", "acme", **values)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"is the object store at http://{REFUSING}? See SCRIBE_S3_ENDPOINT\n")
