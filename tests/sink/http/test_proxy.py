"""The way out through a real proxy: who is asked for what, and whose fault it is when it fails."""

import asyncio
import base64
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trustme

from schemas.errors import Outage, Permanent, Transient
from schemas.settings.outbound import OutboundSettings
from sink.http.client import AsyncOutboundClient, DeliveryError, OutboundClient
from sink.http.exchange import FailureKind
from sink.http.proxy import Proxy
from tests.sink.connect_proxy import tunnels
from tests.sink.strangers import (
    CHUNKED,
    HERE,
    LONG,
    NAME,
    SHORT,
    Names,
    Script,
    StrangersServer,
    Visit,
    answer,
    server_context,
    stranger,
    url_of,
)


def through(
    proxy: StrangersServer | int, *, scheme: str = "http", login: str = "", allowed: str = "127.0.0.0/8"
) -> OutboundSettings:
    port = proxy if isinstance(proxy, int) else proxy.port
    return OutboundSettings.model_validate(
        {"allowed_networks": allowed, "egress_proxy": f"{scheme}://{login}127.0.0.1:{port}"}
    )


def fetch(
    url: str,
    path: Path,
    settings: OutboundSettings,
    *,
    names: Callable[[str, int], Sequence[str]] | None = None,
    trust: ssl.SSLContext | None = None,
    max_bytes: int = 1000,
    deadline_seconds: float = LONG,
) -> bytes:
    client = OutboundClient(settings, "development", resolve=names or Names(HERE), ssl_context=trust)
    client.download(url, path, max_bytes=max_bytes, deadline_seconds=deadline_seconds)
    return path.read_bytes()


def failure_of_post(settings: OutboundSettings, url: str = f"http://{NAME}:1/") -> DeliveryError:
    client = AsyncOutboundClient(settings, "development", resolve=Names(HERE))
    with pytest.raises(DeliveryError) as caught:
        asyncio.run(client.post(url, b"{}", {}, deadline_seconds=LONG))
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recording"


def asked(proxy: StrangersServer) -> list[str]:
    return [visit.head.decode().partition("\r\n")[0] for visit in proxy.visits]


def test_the_proxy_is_asked_for_the_checked_address_and_the_server_for_the_name(
    path: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    with (
        stranger(tunnels()) as proxy,
        stranger(answer(200, b"sound"), tls=server_context(authority, NAME)) as server,
    ):
        names = Names(HERE, ["127.0.0.2"])
        assert fetch(url_of(server, scheme="https"), path, through(proxy), names=names, trust=trusting) == b"sound"
        assert asked(proxy) == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
        assert proxy.visits[0].header("host") == f"127.0.0.1:{server.port}"
        assert server.server_names == [NAME]
        assert server.visits[0].header("host") == f"{NAME}:{server.port}"
        assert names.asked == [NAME]


def test_plain_http_goes_through_a_tunnel_too(path: Path) -> None:
    with stranger(tunnels()) as proxy, stranger(answer(200, b"sound")) as server:
        assert fetch(url_of(server, "/a?b"), path, through(proxy)) == b"sound"
        assert asked(proxy) == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
        (visit,) = server.visits
        assert visit.head.startswith(b"GET /a?b HTTP/1.1\r\n")
        assert visit.header("host") == f"{NAME}:{server.port}"


def test_a_version_6_address_is_asked_for_in_brackets(path: Path) -> None:
    with stranger(answer(502)) as proxy, pytest.raises(Transient):
        fetch(f"http://{NAME}:81/", path, through(proxy, allowed="fd00::/8"), names=Names(["fd00::7"]))
    assert asked(proxy) == ["CONNECT [fd00::7]:81 HTTP/1.1"]


def test_a_proxy_with_tls_is_spoken_to_with_tls(path: Path, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with (
        stranger(tunnels(), tls=server_context(authority, "127.0.0.1")) as proxy,
        stranger(answer(200, b"sound"), tls=server_context(authority, NAME)) as server,
    ):
        settings = through(proxy, scheme="https")
        assert fetch(url_of(server, scheme="https"), path, settings, trust=trusting) == b"sound"
        assert asked(proxy) == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]


def test_credentials_are_for_the_proxy_alone(path: Path) -> None:
    with stranger(tunnels()) as proxy, stranger(answer(200, b"sound")) as server:
        fetch(url_of(server), path, through(proxy, login="scribe:k%40nari@"))
        assert proxy.visits[0].header("proxy-authorization") == ("Basic " + base64.b64encode(b"scribe:k@nari").decode())
        assert b"authorization" not in server.visits[0].head.lower()


def test_a_webhook_goes_through_the_proxy(path: Path) -> None:
    with stranger(tunnels()) as proxy, stranger(answer(204)) as server:
        client = AsyncOutboundClient(through(proxy), "development", resolve=Names(HERE))
        told = asyncio.run(client.post(url_of(server), b'{"a":1}', {}, deadline_seconds=LONG))
        assert (told.status, server.visits[0].body) == (204, b'{"a":1}')
        assert len(proxy.visits) == 1


def test_every_hop_of_a_redirect_is_asked_for(path: Path) -> None:
    def script(visit: Visit) -> None:
        at_first = visit.head.startswith(b"GET /first ")
        (answer(302, location="/second") if at_first else answer(200, b"sound"))(visit)

    with stranger(tunnels()) as proxy, stranger(script) as server:
        assert fetch(url_of(server, "/first"), path, through(proxy)) == b"sound"
        assert len(proxy.visits) == 2


def test_our_own_rules_come_first(path: Path) -> None:
    with stranger(tunnels()) as proxy:
        with pytest.raises(Permanent, match="not a public one"):
            fetch(f"http://{NAME}/", path, through(proxy, allowed="10.0.0.0/8"))
        assert failure_of_post(through(proxy, allowed="10.0.0.0/8")).kind is FailureKind.REFUSED
        assert proxy.connections == 0


def test_the_next_address_is_tried_when_the_proxy_does_not_reach_one(path: Path) -> None:
    with stranger(tunnels(unreachable=("127.0.0.9",))) as proxy, stranger(answer(200, b"sound")) as server:
        fetch(url_of(server), path, through(proxy), names=Names(["127.0.0.9", "127.0.0.1"]))
        assert len(proxy.visits) == 2


REFUSES = [answer(403), answer(407), answer(407, X_Smokescreen_Error="denied by rule")]
MISCONFIGURED = [
    answer(407, Proxy_Authenticate="Basic realm=x"),
    answer(401),
    answer(405),
    answer(500),
    answer(302, location="http://elsewhere.example/"),
]
CANNOT = [answer(502), answer(503), answer(504)]
AWAY: list[Script] = [Visit.reset, lambda visit: None, lambda visit: visit.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")]


@pytest.mark.parametrize("script", REFUSES)
def test_a_refusal_of_the_proxy_is_as_one_of_ours(path: Path, script: Script) -> None:
    with stranger(script) as proxy:
        with pytest.raises(Permanent, match="the egress proxy refuses it") as caught:
            fetch(f"http://{NAME}/", path, through(proxy), names=Names(["127.0.0.1", "127.0.0.9"]))
        assert caught.value.code == "source_refused"
        assert len(proxy.visits) == 1
        assert failure_of_post(through(proxy)).kind is FailureKind.REFUSED


@pytest.mark.parametrize("script", MISCONFIGURED)
def test_a_proxy_that_wants_something_else_is_our_fault(path: Path, script: Script) -> None:
    with stranger(script) as proxy:
        with pytest.raises(Outage, match="look at SCRIBE_EGRESS_PROXY") as caught:
            fetch(f"http://{NAME}/", path, through(proxy, login="scribe:kanari@"))
        assert "kanari" not in str(caught.value)
        assert failure_of_post(through(proxy)).kind is FailureKind.PROXY


@pytest.mark.parametrize("script", CANNOT)
def test_an_address_that_the_proxy_does_not_reach_may_be_reached_later(path: Path, script: Script) -> None:
    with stranger(script) as proxy:
        with pytest.raises(Transient):
            fetch(f"http://{NAME}/", path, through(proxy))
        assert failure_of_post(through(proxy)).kind is FailureKind.BROKEN


@pytest.mark.parametrize("script", AWAY, ids=["reset", "closed", "not-http"])
def test_a_proxy_that_breaks_off_is_an_outage(path: Path, script: Script) -> None:
    with stranger(script) as proxy:
        with pytest.raises(Outage, match="egress proxy is away"):
            fetch(f"http://{NAME}/", path, through(proxy))
        assert failure_of_post(through(proxy)).kind is FailureKind.PROXY


def test_a_proxy_that_is_not_there_is_an_outage(path: Path, deaf_port: int) -> None:
    with pytest.raises(Outage, match="egress proxy is away"):
        fetch(f"http://{NAME}/", path, through(deaf_port))
    assert failure_of_post(through(deaf_port)).kind is FailureKind.PROXY


@pytest.mark.parametrize("script", [Visit.wait, lambda visit: visit.drip(b"H")], ids=["silence", "drip"])
def test_the_deadline_covers_the_proxy(path: Path, script: Script) -> None:
    with stranger(script) as proxy, pytest.raises(Transient, match=r"within 0\.4 s"):
        fetch(f"http://{NAME}/", path, through(proxy), deadline_seconds=SHORT)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b""], ids=["headers", "hints"])
def test_a_proxy_that_floods_is_cut_off(path: Path, head: bytes) -> None:
    def script(visit: Visit) -> None:
        visit.send(head)
        visit.flood(b"X-Header: x\r\n" if head else b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")

    with stranger(script) as proxy, pytest.raises(Outage, match="egress proxy"):
        fetch(f"http://{NAME}/", path, through(proxy))


def test_an_endless_body_ends_at_the_limit_inside_of_a_tunnel(path: Path) -> None:
    def endless(visit: Visit) -> None:
        visit.send(CHUNKED)
        visit.flood(b"400\r\n" + bytes(1024) + b"\r\n")

    with stranger(tunnels()) as proxy, stranger(endless) as server:
        with pytest.raises(Permanent) as caught:
            fetch(url_of(server), path, through(proxy))
        assert caught.value.code == "media_too_large"


def test_proxies_of_the_environment_are_not_asked_beside_ours(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stranger(tunnels()) as other, stranger(tunnels()) as proxy, stranger(answer(200, b"sound")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
        monkeypatch.setenv("NO_PROXY", "*")
        fetch(url_of(server), path, through(proxy))
        assert (other.connections, len(proxy.visits)) == (0, 1)


def test_nothing_shows_the_password() -> None:
    settings = through(1, login="scribe:kanari@")
    proxy = Proxy.from_settings(settings, ssl.create_default_context())
    assert proxy is not None
    shown = repr(settings) + repr(proxy)
    assert "kanari" not in shown
    assert base64.b64encode(b"scribe:kanari").decode() not in shown
