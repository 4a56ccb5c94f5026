"""Tests wait as long as a busy machine may take: a client whose timeout is not said gives up after five seconds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CALLS = {"get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "Client", "AsyncClient"}


def impatient(source: str) -> Iterator[int]:
    """Lines that call httpx without saying how long to wait; a client around an application does not wait."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("httpx"), attr=name), keywords=given) if name in CALLS:
                if not {"timeout", "transport", None} & {each.arg for each in given}:
                    yield node.lineno


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("httpx.get(url)", True),
        ("httpx.Client(base_url=url, trust_env=False)", True),
        ("httpx.get(url, timeout=90)", False),
        ("httpx.AsyncClient(transport=app)", False),
        ("httpx.Client(**options)", False),
        ("client.get(url)", False),
    ],
)
def test_a_client_without_a_timeout_is_seen(source: str, seen: bool) -> None:
    assert bool(list(impatient(source))) is seen


def test_every_client_of_a_test_says_how_long_it_waits() -> None:
    found = {
        f"{path.relative_to(TESTS)}:{line}" for path in TESTS.rglob("*.py") for line in impatient(path.read_text())
    }
    assert found == set()
