"""Rules for untrusted addresses, and the parts of a checked address that are sent.

An address is parsed once; everything that follows (resolving, TLS, Host, request line) uses the parsed parts, so that
no second parser can interpret it differently.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from schemas.errors import Permanent
from sink.http.denylist import Address, Network, refusal, refusal_of_name

MAX_URL_CHARS = 8192
PORTS = (443, 8443)
_DEFAULT_PORTS = {"https": 443, "http": 80}
# underscores are no host names' letters, but old buckets have them
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# what getaddrinfo, and browsers, read as a number and therefore as an IPv4 address
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class UrlRules:
    """Rules for addresses: plain http and any port in `development`, and networks that are allowed by name.

    `any_port` is for addresses that the operator configured, which are trusted.
    """

    development: bool = False
    allowed: tuple[Network, ...] = ()
    any_port: bool = False


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A checked address in its parts; `host` is ASCII, `path` includes the query but no fragment."""

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None

    @property
    def origin(self) -> str:
        """The origin as scheme://host:port, safe to show in messages."""
        host = f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host
        default = _DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{host}" if default else f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address; its query may hold a secret."""
        return self.origin + self.path

    @property
    def public_url(self) -> str:
        """The address without its query."""
        return self.origin + self.path.partition("?")[0]


def parse_target(url: str, rules: UrlRules) -> CheckedUrl:
    """The parts of an address; raises Permanent(source_refused) that names the violated rule."""
    parts = _split(url)
    schemes = ("https", "http") if rules.development else ("https",)
    if parts.scheme not in schemes:
        raise _refused(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if "@" in parts.netloc:
        raise _refused("it must not hold a user name or password")
    host, literal = _host(parts)
    if literal is not None:
        check_answers([literal], rules)
    elif not rules.development and (reason := refusal_of_name(host, rules.allowed)) is not None:
        raise _refused(f"its host is not a public one ({reason})")
    port = _port(parts, rules)
    path = quote(parts.path or "/", safe=_ASCII) + (f"?{quote(parts.query, safe=_ASCII)}" if parts.query else "")
    return CheckedUrl(parts.scheme, host, port, path, literal)


def redirected(target: CheckedUrl, location: str, rules: UrlRules) -> CheckedUrl:
    """The target of a redirect, checked like the first address; `location` is decoded byte by byte, as headers are."""
    try:
        joined = urljoin(target.url, _as_sent(location))
    except ValueError:  # brackets without an address between them, and more of that kind
        raise _refused("it redirects to what is not written as addresses are") from None
    return parse_target(joined, rules)


def _as_sent(location: str) -> str:
    """A redirect address from raw header bytes: UTF-8 is decoded, anything else is percent-encoded as it is."""
    try:
        raw = location.encode("latin-1")
    except UnicodeEncodeError:  # it was read as text before
        return location
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "".join(quote(bytes([byte])) if byte >= 0x80 else chr(byte) for byte in raw)


def check_answers(answers: Iterable[Address], rules: UrlRules) -> tuple[Address, ...]:
    """The addresses of a host if every one of them may be called; raises Permanent(source_refused) otherwise."""
    checked = tuple(answers)
    for address in checked:
        reason = refusal(address, rules.allowed)
        if reason is not None:
            raise _refused(f"its host is not a public one ({reason})")
    return checked


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_CHARS:
        raise _refused(f"it is longer than {MAX_URL_CHARS} characters")
    # urlsplit silently drops some of these
    if any(letter <= " " or letter in "\\\x7f" or 0xD800 <= ord(letter) < 0xE000 for letter in url):
        raise _refused("it holds spaces, control characters, backslashes or broken characters; encode them with %")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its message may quote a password
        raise _refused("it is not written as addresses are") from None
    return parts


def _host(parts: SplitResult) -> tuple[str, Address | None]:
    if parts.netloc.startswith("["):
        return _bracketed(parts)
    host = _ascii_host(parts.hostname or "")
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return host, None
    try:  # four decimal numbers without leading zeros; other spellings serve to deceive
        return host, ip_address(host)
    except ValueError:
        raise _refused("its host is a number; write a name or a plain IPv4 address") from None


def _ascii_host(host: str) -> str:
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise _refused("its host is not a legal name") from error
    host = host.removesuffix(".")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise _refused("its host is missing or not a legal name")
    return host


def _bracketed(parts: SplitResult) -> tuple[str, Address]:
    if not _BRACKETED.fullmatch(parts.netloc):
        raise _refused("its host is not a plain IPv6 address")
    try:
        address = IPv6Address(parts.hostname or "")
    except ValueError:
        raise _refused("its host is not a plain IPv6 address") from None
    return address.compressed, address


def _port(parts: SplitResult, rules: UrlRules) -> int:
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0 or (port not in PORTS and not (rules.development or rules.any_port)):
        raise _refused(f"port {port} is not allowed; allowed: {', '.join(map(str, PORTS))}")
    return port


def _refused(why: str) -> Permanent:
    return Permanent("source_refused", why)
