"""Commands whose other side is away: which address does not answer, which setting names it, and soon."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.integration.commands import Run

Call = tuple[tuple[str, ...], dict[str, str], str]
REFUSING = "127.0.0.1:9"


def calls(address: str) -> list[Call]:
    """A command for each outside system, and the setting that names it."""
    url, key, job = f"http://{address}", {"SCRIBE_API_KEY": "k"}, "7ef7c4ef-72bb-4be2-8f91-869f1aac5855"
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


KEY = {"SCRIBE_API_URL": "http://scribe.example", "SCRIBE_API_KEY": "k"}
REGISTRY = {"SCRIBE_SCHEMA_REGISTRY_URL": "http://registry.example"}
PROXIES = [f"{kind}_proxy" for kind in ("all", "http", "https", "no")]


def only(**values: str) -> dict[str, str]:
    """These variables, and no proxy of the machine; one in lower case that is empty takes away that in upper case."""
    given = {name.lower() for name in values}
    return {name: "" for name in PROXIES if name not in given} | values


SPOILT: dict[str, tuple[dict[str, str], int, str]] = {
    "socks": ({"ALL_PROXY": "socks5://127.0.0.1:9"}, 2, "ALL_PROXY: is no proxy at http(s)://HOST:PORT"),
    "of a kind there is not": ({"https_proxy": "gopher://h:1"}, 2, "https_proxy: is no proxy at http(s)://HOST:PORT"),
    "certificates": ({"SSL_CERT_FILE": "/nonexist"}, 2, "SSL_CERT_FILE: no certificates can be read there"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("command", ["jobs", "schemas check"])
def test_what_spoils_every_client_is_named(spoilt: str, command: str, run_here: Run) -> None:
    """Variables of others that libraries read."""
    values, code, words = SPOILT[spoilt]
    # certificates are read where something is encrypted
    key, registry = ({n: v.replace("http:", "https:") for n, v in each.items()} for each in (KEY, REGISTRY))
    done = run_here(*command.split(), **key, **registry, **only(**values))
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(words)


def test_a_proxy_that_is_away_is_blamed_for_itself(run_here: Run) -> None:
    """Without the password that its address has."""
    done = run_here("models", **KEY, **only(HTTP_PROXY=f"http://us:secret@{REFUSING}"))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"the proxy {REFUSING} before http://scribe.example does not answer")
    assert line.endswith("See HTTP_PROXY")
    assert "secret" not in line
    registry = run_here("schemas", "check", **REGISTRY, **only(HTTP_PROXY=f"http://{REFUSING}"))
    assert registry.stderr.endswith("See SCRIBE_SCHEMA_REGISTRY_URL and HTTP_PROXY\n")
    past = only(HTTP_PROXY="http://127.0.0.1:10", NO_PROXY="127.0.0.1")
    assert run_here("models", **{**KEY, **past, "SCRIBE_API_URL": f"http://{REFUSING}"}).stderr.endswith(
        "See SCRIBE_API_URL\n"
    )


def test_who_gives_up_watching_is_told_that_the_job_goes_on(run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to come back, as one who interrupts it is."""
    monkeypatch.setattr("producers.cli.terminal.watching.PATIENCE_SECONDS", -1.0)
    job = "7ef7c4ef-72bb-4be2-8f91-869f1aac5855"
    done = run_here("watch", job, **only(), SCRIBE_API_URL=f"http://{REFUSING}", SCRIBE_API_KEY="k")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        f"See SCRIBE_API_URL; the job goes on; back to it: scribe watch {job}; to stop it: scribe cancel {job}\n"
    )
