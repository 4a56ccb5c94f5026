"""Denylist of outbound addresses: the IANA special-purpose registries and addresses of cloud providers.

Python's `is_global` is not used: it treats Azure's wire server, NAT64 and 6to4 forms of private addresses and some more
as public, differently in each release.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# fmt: off
_V4 = (
    ("0.0.0.0/8",          "this network"),
    ("10.0.0.0/8",         "private"),
    ("100.64.0.0/10",      "shared address space of carriers, also Alibaba's metadata service"),
    ("127.0.0.0/8",        "loopback"),
    ("168.63.129.16/32",   "Azure's wire server"),
    ("169.254.0.0/16",     "link-local, also metadata services"),
    ("172.16.0.0/12",      "private"),
    ("192.0.0.0/24",       "IETF protocol assignments, also Oracle's metadata service"),
    ("192.0.2.0/24",       "documentation"),
    ("192.31.196.0/24",    "AS112"),
    ("192.52.193.0/24",    "multicast tunnels"),
    ("192.88.99.0/24",     "6to4 relays"),
    ("192.168.0.0/16",     "private"),
    ("192.175.48.0/24",    "AS112"),
    ("198.18.0.0/15",      "benchmarking"),
    ("198.51.100.0/24",    "documentation"),
    ("203.0.113.0/24",     "documentation"),
    ("224.0.0.0/4",        "multicast"),
    ("240.0.0.0/4",        "reserved"),
)
_V6 = (
    ("::/128",             "unspecified"),
    ("::1/128",            "loopback"),
    ("::/96",              "IPv4-compatible"),
    ("::ffff:0:0/96",      "IPv4-mapped"),
    ("::ffff:0:0:0/96",    "IPv4-translated"),
    ("64:ff9b::/96",       "NAT64"),
    ("64:ff9b:1::/48",     "local NAT64"),
    ("100::/64",           "discard"),
    ("100:0:0:1::/64",     "dummy prefix"),
    ("2001::/23",          "IETF protocol assignments, also Teredo"),
    ("2001:db8::/32",      "documentation"),
    ("2002::/16",          "6to4"),
    ("2620:4f:8000::/48",  "AS112"),
    ("3fff::/20",          "documentation"),
    ("5f00::/16",          "segment routing"),
    ("fc00::/7",           "private, also metadata services"),
    ("fe80::/10",          "link-local"),
    ("fec0::/10",          "site-local"),
    ("ff00::/8",           "multicast"),
)
# names that lead inside wherever they are looked up, and the networks that they lead into where these are known
_LOOPBACK, _METADATA = ("127.0.0.0/8", "::1/128"), ("169.254.0.0/16", "fc00::/7")
_NAMES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("localhost",                "loopback",                                _LOOPBACK),
    ("localdomain",              "loopback",                                _LOOPBACK),
    ("ip6-localhost",            "loopback",                                _LOOPBACK),
    ("ip6-loopback",             "loopback",                                _LOOPBACK),
    ("metadata.google.internal", "a metadata service",                      _METADATA),
    ("metadata.goog",            "a metadata service",                      _METADATA),
    ("instance-data",            "a metadata service",                      _METADATA),
    ("local",                    "multicast DNS, also names of a cluster",  ()),
    ("internal",                 "private, also names of clouds",           ()),
    ("svc",                      "names of a cluster",                      ()),
    ("home.arpa",                "private",                                 ()),
    ("intranet",                 "private",                                 ()),
    ("private",                  "private",                                 ()),
    ("corp",                     "private",                                 ()),
    ("home",                     "private",                                 ()),
    ("lan",                      "private",                                 ()),
)
# fmt: on
DENIED_NAMES = tuple((name, reason, tuple(map(ip_network, networks))) for name, reason, networks in _NAMES)
DENIED: tuple[tuple[Network, str], ...] = tuple((ip_network(network), reason) for network, reason in _V4 + _V6)
_UNICAST_V6 = IPv6Network("2000::/3")  # all that was ever given out; whatever is not, is not called


def refusal(address: Address, allowed: Iterable[Network] = ()) -> str | None:
    """The reason why an address may not be called, None if it may; `allowed` networks are always permitted."""
    if any(address in network for network in allowed):
        return None
    for network, reason in DENIED:
        if address in network:
            return reason
    if isinstance(address, IPv6Address) and address not in _UNICAST_V6:
        return "not assigned"
    return None


def refusal_of_name(host: str, allowed: Iterable[Network] = ()) -> str | None:
    """The reason to refuse a host (ASCII, lower case) by its name alone; None when its addresses decide.

    `allowed` networks open the names that lead into them, or may.
    """
    allowed = tuple(allowed)
    for name, reason, networks in DENIED_NAMES:
        if host == name or host.endswith(f".{name}"):
            return None if _opened(networks, allowed) else reason
    return "a name without a domain" if "." not in host and not allowed else None


def _opened(networks: tuple[Network, ...], allowed: tuple[Network, ...]) -> bool:
    if not networks:
        return bool(allowed)
    return any(one.version == other.version and one.overlaps(other) for one in networks for other in allowed)
