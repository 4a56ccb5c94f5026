"""Fetching a recording from a stranger, and how that ends."""

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from schemas.errors import Permanent, Transient
from schemas.settings.outbound import OutboundSettings
from sink.http.client import Downloaded, OutboundClient
from tests.sink.strangers import (
    HERE,
    LONG,
    LOOPBACK,
    Names,
    Script,
    stranger,
    url_of,
)


def fetch(
    url: str,
    path: Path,
    *,
    names: Callable[[str, int], Sequence[str]] | None = None,
    settings: OutboundSettings = LOOPBACK,
    trust: ssl.SSLContext | None = None,
    max_bytes: int = 1000,
    deadline_seconds: float = LONG,
    check: Callable[[], None] | None = None,
    check_host: Callable[[str], None] = lambda _: None,
) -> Downloaded:
    client = OutboundClient(settings, "development", resolve=names or Names(HERE), ssl_context=trust)
    return client.download(
        url, path, max_bytes=max_bytes, deadline_seconds=deadline_seconds, check=check, check_host=check_host
    )


def refusal_of(script: Script, path: Path, **options: object) -> Permanent:
    with stranger(script) as server, pytest.raises(Permanent) as caught:
        fetch(url_of(server), path, **options)  # type: ignore[arg-type]
    assert "kanari" not in str(caught.value)
    assert list(path.parent.iterdir()) == []
    return caught.value


def trouble_of(script: Script, path: Path, **options: object) -> str:
    with stranger(script) as server, pytest.raises(Transient) as caught:
        fetch(url_of(server), path, **options)  # type: ignore[arg-type]
    assert "kanari" not in str(caught.value)
    assert list(path.parent.iterdir()) == []
    return str(caught.value)
