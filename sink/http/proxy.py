"""Outbound connections through an egress proxy: a tunnel to the checked address.

The proxy is given the address and not the name, which it would resolve again: the checked address is the one called,
and the proxy's own rules apply in addition. TLS and the Host header inside the tunnel keep the name. Plain http goes
through a tunnel too, since a request in absolute form could carry only one of the two.
"""

import base64
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import httpcore

from schemas.settings.outbound import OutboundSettings
from sink.http.exchange import CONNECT_SECONDS, ByteBudget, ExchangeFailed, FailureKind, counted

ANSWER_SECONDS = 15.0  # the proxy connects meanwhile
_REFUSES = frozenset({403, 407})  # 407 is what smokescreen says, without asking for credentials
_CANNOT = frozenset({502, 503, 504})  # nobody listens at the address, or not in time


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that supports CONNECT; `credentials` is the value of Proxy-Authorization."""

    scheme: str
    host: str
    port: int
    ssl_context: ssl.SSLContext
    credentials: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: OutboundSettings, ssl_context: ssl.SSLContext) -> "Proxy | None":
        """The proxy of this installation, None when there is none."""
        if settings.egress_proxy is None:
            return None
        parts = urlsplit(settings.egress_proxy.get_secret_value())
        port = parts.port or (443 if parts.scheme == "https" else 80)
        credentials = None
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            credentials = b"Basic " + base64.b64encode(words.encode())
        return cls(parts.scheme, parts.hostname or "", port, ssl_context, credentials)

    async def dial(
        self, address: str, port: int, timeout: float | None, allowance: ByteBudget
    ) -> httpcore.AsyncNetworkStream:
        """A tunnel to `address`; raises httpcore.ConnectError and ExchangeFailed (REFUSED, PROXY)."""
        response = await self._connect(address, port, timeout or CONNECT_SECONDS, allowance)
        stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        if 200 <= response.status < 300:
            return stream
        await stream.aclose()
        raise _refusal(response)

    async def _connect(self, address: str, port: int, seconds: float, allowance: ByteBudget) -> httpcore.Response:
        authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        url = httpcore.URL(scheme=self.scheme, host=self.host, port=self.port, target=authority)
        credentials = [(b"Proxy-Authorization", self.credentials)] if self.credentials else []
        request = httpcore.Request(
            "CONNECT",
            url,
            headers=[(b"Host", authority.encode()), *credentials],
            extensions={"timeout": {"connect": seconds, "read": ANSWER_SECONDS, "write": seconds}},
        )
        backend = _CountedBackend(allowance)
        connection = httpcore.AsyncHTTPConnection(url.origin, self.ssl_context, network_backend=backend)
        try:
            return await connection.handle_async_request(request)
        except httpcore.ReadTimeout as error:
            raise httpcore.ConnectTimeout("the egress proxy did not reach it in time") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise ExchangeFailed(FailureKind.PROXY, f"the egress proxy is away: {type(error).__name__}") from error
        except ExchangeFailed as error:
            raise ExchangeFailed(FailureKind.PROXY, f"the egress proxy: {error}") from error


class _CountedBackend(httpcore.AsyncNetworkBackend):
    """Connections to the proxy, whose bytes count like those of the server behind it."""

    def __init__(self, allowance: ByteBudget) -> None:
        self._allowance = allowance

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        inner = await httpcore.AnyIOBackend().connect_tcp(host, port, timeout, local_address, socket_options)
        return counted(inner, self._allowance)


def _refusal(response: httpcore.Response) -> Exception:
    status = response.status
    wants_credentials = any(name.lower() == b"proxy-authenticate" for name, _ in response.headers)
    if status in _REFUSES and not wants_credentials:
        return ExchangeFailed(FailureKind.REFUSED, f"the egress proxy refuses it ({status})")
    if status in _CANNOT:
        return httpcore.ConnectError(f"the egress proxy does not reach it ({status})")
    why = "other credentials are wanted" if wants_credentials else "it makes no tunnel"
    return ExchangeFailed(FailureKind.PROXY, f"the egress proxy answered {status}: {why}: look at SCRIBE_EGRESS_PROXY")
