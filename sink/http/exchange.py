"""One HTTP exchange with an untrusted server: only checked addresses are called, and every amount is bounded.

httpcore requests each connection from its network backend; ours connects to the checked addresses even if the name
resolves differently by then, while TLS and the Host header keep the name. There are no redirects, no cookies, no
content decoding, no kept connections and no proxy but the given one, and nothing is read from the environment.
"""

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from ipaddress import ip_address

import anyio
import anyio.to_thread
import httpcore

from schemas.errors import ScribeError
from sink.http.denylist import Address
from sink.http.url import CheckedUrl, UrlRules, check_answers

Resolver = Callable[[str, int], Sequence[str]]

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
MAX_ADDRESSES = 4
HEAD_BYTES = 64 * 1024
_HEAD_READ = 16 * 1024  # so that a body that follows at once does not count as head


class FailureKind(StrEnum):
    """Reasons why an exchange gave no response."""

    REFUSED = "refused"  # by our own rules or those of the egress proxy
    UNREACHABLE = "unreachable"  # no such host, nobody listens, no trust in its certificate
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the name service or the connection failed in the middle
    PROTOCOL = "protocol"  # the answer is not what HTTP allows us to take
    PROXY = "proxy"  # the egress proxy is away or set up wrongly: no fault of the address


class ExchangeFailed(ScribeError):
    """An exchange gave no usable response; `sent` says whether the request may have reached the server."""

    def __init__(self, kind: FailureKind, message: str, *, sent: bool = False) -> None:
        self.kind = kind
        self.sent = sent
        super().__init__(message)


class ByteBudget:
    """The number of bytes that may still be read from a connection; extended once the response head has arrived."""

    def __init__(self, head_bytes: int = HEAD_BYTES) -> None:
        self._left = head_bytes + _HEAD_READ
        self.read_size = _HEAD_READ

    def grow(self, body_bytes: int) -> None:
        """Extend the budget for a body, including the overhead of its chunk framing."""
        self._left += 2 * body_bytes + 1024 * 1024
        self.read_size = HEAD_BYTES

    def spend(self, size: int) -> None:
        """Count bytes that were read; raises ExchangeFailed(PROTOCOL) above the limit."""
        self._left -= size
        if self._left < 0:
            raise ExchangeFailed(
                FailureKind.PROTOCOL, "the answer's headers or frames are larger than allowed", sent=True
            )


def lookup(target: CheckedUrl, rules: UrlRules, resolve: Resolver) -> tuple[Address, ...]:
    """The addresses of the target; raises Permanent(source_refused) if any of them is denied."""
    if target.literal is not None:
        return (target.literal,)
    with _translated_lookup(target):
        answers = resolve(target.host, target.port)
    checked = check_answers(dict.fromkeys(ip_address(answer) for answer in answers), rules)
    if not checked:
        raise ExchangeFailed(FailureKind.UNREACHABLE, f"the host {target.host} has no address")
    return checked[:MAX_ADDRESSES]


async def addresses_of(target: CheckedUrl, rules: UrlRules, resolve: Resolver) -> tuple[Address, ...]:
    """Like `lookup`, in a thread that is abandoned at the deadline, so that a hanging resolver cannot outlive it."""
    return await anyio.to_thread.run_sync(lookup, target, rules, resolve, abandon_on_cancel=True)


def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """The addresses that the operating system resolves a host to."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(entry[4][0]) for entry in found)


@asynccontextmanager
async def exchange(
    method: str,
    target: CheckedUrl,
    addresses: Iterable[Address],
    headers: Mapping[str, str],
    *,
    ssl_context: ssl.SSLContext,
    allowance: ByteBudget,
    body: bytes | None = None,
    dial: "Dial | None" = None,
) -> AsyncIterator[httpcore.Response]:
    """Send a request and return its response once the head has arrived; raises ExchangeFailed; sets no time limit."""
    backend = _PinnedBackend(tuple(map(str, addresses)), allowance, dial or direct)
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    timeouts = {"connect": CONNECT_SECONDS, "read": IDLE_SECONDS, "write": IDLE_SECONDS, "pool": CONNECT_SECONDS}
    with _translated(target):
        async with (
            httpcore.AsyncConnectionPool(ssl_context=ssl_context, network_backend=backend) as pool,
            pool.stream(
                method, url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
            ) as response,
        ):
            yield response


Dial = Callable[[str, int, float | None, ByteBudget], Awaitable[httpcore.AsyncNetworkStream]]
"""Connects to an address and port within a time; raises httpcore's errors, or ExchangeFailed when no other may be tried."""


async def direct(address: str, port: int, timeout: float | None, allowance: ByteBudget) -> httpcore.AsyncNetworkStream:
    """A direct connection, without a proxy."""
    return counted(await httpcore.AnyIOBackend().connect_tcp(address, port, timeout), allowance)


def counted(stream: httpcore.AsyncNetworkStream, allowance: ByteBudget) -> httpcore.AsyncNetworkStream:
    """A connection whose bytes are counted, after decryption once TLS has started."""
    return _CountedStream(stream, allowance)


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the given addresses, never to the host in the request."""

    def __init__(self, addresses: Sequence[str], allowance: ByteBudget, dial: Dial) -> None:
        self._addresses = addresses
        self._allowance = allowance
        self._dial = dial

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name has served its turn
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in self._addresses:
            try:
                return await self._dial(address, port, timeout, self._allowance)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("no address")


class _CountedStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, allowance: ByteBudget) -> None:
        self._inner = inner
        self._allowance = allowance

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._inner.read(min(max_bytes, self._allowance.read_size), timeout)
        self._allowance.spend(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            secured = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # httpcore leaves the socket open when a handshake is cancelled, as deadlines do
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise
        return _CountedStream(secured, self._allowance)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


@contextmanager
def _translated(target: CheckedUrl) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        sent = not isinstance(error, httpcore.ConnectTimeout | httpcore.PoolTimeout)
        raise ExchangeFailed(FailureKind.TIMEOUT, f"{target.origin} did not answer in time", sent=sent) from error
    except httpcore.ConnectError as error:
        kind, why = _connect_failure(error)
        raise ExchangeFailed(kind, f"{target.origin}: {why}") from error
    except httpcore.LocalProtocolError:  # its words and its cause quote headers, and some are secrets
        raise ExchangeFailed(FailureKind.REFUSED, "the request cannot be sent: its headers are not legal") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        message = f"{target.origin} broke the connection: {error}"
        raise ExchangeFailed(FailureKind.BROKEN, message, sent=True) from error


def _connect_failure(error: BaseException) -> tuple[FailureKind, str]:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FailureKind.UNREACHABLE, f"its certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return FailureKind.UNREACHABLE, "it does not speak TLS as we do"
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            return FailureKind.UNREACHABLE, "nobody listens there"
    return FailureKind.BROKEN, "no connection"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def _translated_lookup(target: CheckedUrl) -> Iterator[None]:
    try:
        yield
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise ExchangeFailed(FailureKind.BROKEN, f"the name service did not answer for {target.host}") from error
        raise ExchangeFailed(FailureKind.UNREACHABLE, f"the host {target.host} is not known") from error
    except UnicodeError as error:
        raise ExchangeFailed(FailureKind.UNREACHABLE, f"the host {target.host} is not known") from error
