"""HTTP clients for untrusted addresses, each checked before a call: recordings are fetched, webhooks posted."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar, cast

import httpcore

from schemas.errors import Outage, Permanent, SettingsError, SourceFailed
from schemas.settings.outbound import OutboundSettings
from sink.http.exchange import (
    ByteBudget,
    ExchangeFailed,
    FailureKind,
    Resolver,
    addresses_of,
    exchange,
    lookup,
    system_resolver,
)
from sink.http.proxy import Proxy
from sink.http.recording_body import announced, check_answer, save
from sink.http.url import CheckedUrl, UrlRules, parse_target, redirected
from sink.process.cancellation import cancel_until_done

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_REDIRECTS = 3
HEAD_OF_ANSWER_BYTES = 1024
HEAD_OF_ANSWER_SECONDS = 2.0
CLOSING_SECONDS = 1.0
MAX_PIECES = 20_000  # of an answer; reading millions of them would hold up every other call
_HEADERS = {"user-agent": "scribe-rabbit", "accept": "*/*", "accept-encoding": "identity", "connection": "close"}
_CHECK_SECONDS = 0.25
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A downloaded recording; `final_url` is its address after redirects, without query."""

    size_bytes: int
    content_type: str | None
    final_url: str


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A receiver's response: lower-case header names, the first 1 KB of the body as text, time to the status."""

    status: int
    headers: dict[str, str]
    head: str
    latency_ms: int


@dataclass(frozen=True, slots=True)
class FullResponse:
    """A response with its complete body; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class DeliveryError(ExchangeFailed):
    """A receiver did not respond; `kind` names the reason."""


def rules_of(settings: OutboundSettings, environment: str) -> UrlRules:
    """The URL rules from the settings of this installation."""
    networks = tuple(ip_network(text, strict=False) for text in settings.allowed_networks)
    return UrlRules(development=environment == "development", allowed=networks)


def trust_of(settings: OutboundSettings) -> ssl.SSLContext:
    """The certificate authorities that this installation trusts; raises SettingsError for an unreadable file."""
    context = httpcore.default_ssl_context()
    if settings.outbound_ca_file is not None:
        try:
            context.load_verify_locations(settings.outbound_ca_file)
        except OSError as error:  # SSLError is one
            raise SettingsError(f"SCRIBE_OUTBOUND_CA_FILE: {settings.outbound_ca_file}: {error}") from error
    return context


def check_url(url: str, settings: OutboundSettings, environment: str, *, resolve: Resolver | None = None) -> CheckedUrl:
    """The parts of an address that may be called; raises Permanent(source_refused).

    Without `resolve` the name is not looked up; with it, a name that cannot be resolved now passes until it is called.
    """
    rules = rules_of(settings, environment)
    target = parse_target(url, rules)
    if resolve is not None and target.literal is None:
        try:
            lookup(target, rules, resolve)
        except ExchangeFailed as error:
            log.debug("%s cannot be looked up now: %s", target.host, error)
    return target


class _Client:
    """Common parts of both clients: the URL rules, the resolver and the trusted authorities."""

    def __init__(
        self,
        settings: OutboundSettings,
        environment: str,
        *,
        resolve: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
        rules: UrlRules | None = None,
    ) -> None:
        self._rules = rules or rules_of(settings, environment)
        self._resolve = resolve
        self._ssl = ssl_context or trust_of(settings)
        proxy = Proxy.from_settings(settings, self._ssl)
        self._dial = proxy.dial if proxy else None


class OutboundClient(_Client):
    """Downloads recordings; for worker threads, since each call runs its own event loop."""

    def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        deadline_seconds: float,
        check: Callable[[], None] | None = None,
        check_host: Callable[[str], None] = lambda _: None,
    ) -> Downloaded:
        """Fetch a recording into `path` within `deadline_seconds` in all; on any error there is no file.

        A source slower than MIN_BYTES_PER_SECOND over PACE_SECONDS is given up before. `check` is called in this
        thread several times a second; what it raises stops the download and passes, as does what `check_host` raises
        for a host (ASCII, lower case) that is to be called, the first one or where a redirect leads. Raises Permanent
        (source_refused, source_not_found, source_unreachable, media_too_large), SourceFailed for what may pass, Outage
        when the egress proxy is away, and OSError when the local disk takes no more: at once when it has no room for
        an announced length.
        """
        part = path.with_name(path.name + ".part")
        try:
            found = asyncio.run(_watched(self._fetch(url, part, max_bytes, deadline_seconds, check_host), check))
            part.replace(path)
        except ExchangeFailed as error:
            raise _failure_of_fetch(error) from error
        finally:
            part.unlink(missing_ok=True)
        return found

    async def _fetch(
        self, url: str, path: Path, max_bytes: int, deadline_seconds: float, check_host: Callable[[str], None]
    ) -> Downloaded:
        try:
            async with asyncio.timeout(deadline_seconds):
                target = parse_target(url, self._rules)
                for _ in range(MAX_REDIRECTS + 1):
                    check_host(target.host)
                    found = await self._fetch_once(target, path, max_bytes)
                    if isinstance(found, Downloaded):
                        return found
                    target = found
        except TimeoutError as error:
            raise SourceFailed(f"the recording did not arrive within {deadline_seconds:g} s") from error
        raise Permanent("source_unreachable", f"more than {MAX_REDIRECTS} redirects")

    async def _fetch_once(self, target: CheckedUrl, path: Path, max_bytes: int) -> Downloaded | CheckedUrl:
        allowance = ByteBudget()
        addresses = await addresses_of(target, self._rules, self._resolve)
        async with exchange(
            "GET", target, addresses, _HEADERS, ssl_context=self._ssl, allowance=allowance, dial=self._dial
        ) as response:
            answered = _headers(response)
            if response.status in _REDIRECTS and "location" in answered:
                return redirected(target, answered["location"], self._rules)
            check_answer(response.status, answered, target, max_bytes)
            allowance.grow(max_bytes)
            size = await save(response, path, max_bytes, announced(answered))
        return Downloaded(size, answered.get("content-type"), target.public_url)


class AsyncOutboundClient(_Client):
    """Posts webhooks and enhanced-AI requests; for the dispatcher's event loop."""

    async def ask(
        self, url: str, body: bytes, headers: Mapping[str, str], *, deadline_seconds: float, max_bytes: int
    ) -> FullResponse:
        """Post `body` and return the complete response; redirects are not followed; raises DeliveryError.

        An answer of more than `max_bytes` is a failure of kind PROTOCOL, one that takes longer than
        `deadline_seconds` in all one of kind TIMEOUT.
        """
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self._ask(url, body, headers, max_bytes)
        except TimeoutError as error:
            raise DeliveryError(FailureKind.TIMEOUT, f"no answer within {deadline_seconds:g} s", sent=True) from error
        except Permanent as error:
            raise DeliveryError(FailureKind.REFUSED, f"the address is refused: {error.detail}") from error
        except ExchangeFailed as error:
            raise DeliveryError(error.kind, str(error), sent=error.sent) from error

    async def _ask(self, url: str, body: bytes, headers: Mapping[str, str], max_bytes: int) -> FullResponse:
        target = parse_target(url, self._rules)
        addresses = await addresses_of(target, self._rules, self._resolve)
        allowance = ByteBudget()
        sent = {**_HEADERS, **headers}
        async with exchange(
            "POST", target, addresses, sent, ssl_context=self._ssl, allowance=allowance, body=body, dial=self._dial
        ) as response:
            allowance.grow(max_bytes)
            return FullResponse(response.status, _headers(response), await _body(response, max_bytes))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, deadline_seconds: float) -> ResponseHead:
        """Post `body` and return the response; redirects are not followed; raises DeliveryError when none comes."""
        try:
            async with asyncio.timeout(deadline_seconds) as limit:
                return await self._post(url, body, headers, limit)
        except TimeoutError as error:
            raise DeliveryError(FailureKind.TIMEOUT, f"no answer within {deadline_seconds:g} s") from error
        except Permanent as error:
            raise DeliveryError(FailureKind.REFUSED, f"the address is refused: {error.detail}") from error
        except ExchangeFailed as error:
            raise DeliveryError(error.kind, str(error)) from error

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str], limit: asyncio.Timeout) -> ResponseHead:
        target = parse_target(url, self._rules)
        addresses = await addresses_of(target, self._rules, self._resolve)
        allowance = ByteBudget()
        sent = {**_HEADERS, **headers}
        started = time.monotonic()
        async with exchange(
            "POST", target, addresses, sent, ssl_context=self._ssl, allowance=allowance, body=body, dial=self._dial
        ) as response:
            latency_ms = round((time.monotonic() - started) * 1000)
            allowance.grow(HEAD_OF_ANSWER_BYTES)
            # the status is what counts: from here on a slow body must not turn it into a failure
            until = limit.when() or 0.0
            limit.reschedule(until + CLOSING_SECONDS)
            return ResponseHead(response.status, _headers(response), await _head(response, until), latency_ms)


async def _body(response: httpcore.Response, max_bytes: int) -> bytes:
    data, pieces = bytearray(), 0
    async with aclosing(_chunks(response)) as chunks:
        async for chunk in chunks:
            data += chunk
            pieces += 1
            if len(data) > max_bytes or pieces > MAX_PIECES:
                much = f"its answer has more than {max_bytes} bytes or {MAX_PIECES} pieces"
                raise ExchangeFailed(FailureKind.PROTOCOL, much, sent=True)
    return bytes(data)


async def _head(response: httpcore.Response, until: float) -> str:
    data = b""
    until = min(until, asyncio.get_running_loop().time() + HEAD_OF_ANSWER_SECONDS)
    try:
        async with asyncio.timeout_at(until), aclosing(_chunks(response)) as chunks:
            async for chunk in chunks:
                data += chunk
                if len(data) >= HEAD_OF_ANSWER_BYTES:
                    break
    except (TimeoutError, ExchangeFailed, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        log.debug("the body of an answer broke off after %d bytes", len(data))
    return data[:HEAD_OF_ANSWER_BYTES].decode("utf-8", "replace")


def _chunks(response: httpcore.Response) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", response.aiter_stream())


def _headers(response: httpcore.Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _watched(work: Coroutine[Any, Any, T], check: Callable[[], None] | None) -> T:
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            if check is not None:
                check()
            await asyncio.wait({task}, timeout=_CHECK_SECONDS)
        return task.result()
    finally:
        await cancel_until_done(task)


def _failure_of_fetch(error: ExchangeFailed) -> Permanent | SourceFailed | Outage:
    match error.kind:
        case FailureKind.REFUSED:
            return Permanent("source_refused", str(error))
        case FailureKind.UNREACHABLE | FailureKind.PROTOCOL:
            return Permanent("source_unreachable", str(error))
        case FailureKind.TIMEOUT | FailureKind.BROKEN:
            return SourceFailed(str(error))
        case FailureKind.PROXY:
            return Outage(str(error))
