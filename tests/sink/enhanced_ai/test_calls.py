"""Servers that are no enhanced-AI service at all: every call ends in time, within bounds, with a typed error."""

import ssl

import pytest
import trustme

from schemas.errors import Outage, ScribeError, Transient
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from sink.enhanced_ai.service import enhancer_for
from tests.sink.enhanced_ai.asking import MemoryAnswers, ask
from tests.sink.strangers import CHUNKED, OK, Script, answer, server_context, stranger

pytestmark = pytest.mark.anyio


async def failure(url: str, ssl_context: ssl.SSLContext | None = None, timeout: float = 30) -> ScribeError:
    settings = EnhancedAiSettings(enhanced_ai_endpoint=url, enhanced_ai_timeout_seconds=timeout)
    made = enhancer_for(settings, OutboundSettings(), "development", ssl_context=ssl_context)
    assert made is not None
    with pytest.raises(ScribeError) as caught:
        await made.enhance(ask(), MemoryAnswers())
    return caught.value


@pytest.mark.parametrize(
    ("script", "timeout", "kind"),
    [
        (lambda visit: visit.send(CHUNKED) or visit.flood(b"10000\r\n" + b" " * 65536 + b"\r\n"), 20, Transient),
        (lambda visit: visit.send(OK) or visit.flood(b"x-a: b\r\n"), 20, Transient),
        (lambda visit: visit.send(CHUNKED) or visit.drip(b"1\r\n \r\n"), 0.4, Transient),
        (lambda visit: visit.send(OK) or visit.drip(b"x"), 0.4, Transient),
        (lambda visit: visit.wait(), 0.4, Transient),
        (lambda visit: visit.send(b"HTTP/1.1 102 Processing\r\n\r\n") or visit.wait(), 0.4, Transient),
        (lambda visit: visit.send(OK + b"Content-Length: 100\r\n\r\n{"), 30, Transient),
        (lambda visit: visit.reset(), 30, Transient),
        (lambda visit: visit.send(b"SSH-2.0-OpenSSH\r\n"), 30, Transient),
        (lambda visit: visit.send(CHUNKED) or visit.flood(b"1\r\n \r\n" * 10_000), 60, Transient),
    ],
    ids=[
        "1 GB",
        "endless headers",
        "slow body",
        "slow head",
        "silence",
        "informational",
        "cut off",
        "reset",
        "no HTTP",
        "4 million chunks",
    ],
)
async def test_whatever_it_answers_the_call_ends_typed(script: Script, timeout: float, kind: type[ScribeError]) -> None:
    with stranger(script) as server:
        assert isinstance(await failure(f"http://127.0.0.1:{server.port}/", timeout=timeout), kind)


async def test_a_certificate_that_nobody_vouches_for_is_an_outage(authority: trustme.CA) -> None:
    with stranger(answer(200), tls=server_context(authority, "127.0.0.1")) as server:
        error = await failure(f"https://127.0.0.1:{server.port}/")
    assert isinstance(error, Outage)
    assert server.visits == []
