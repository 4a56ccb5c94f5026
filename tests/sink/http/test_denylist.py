"""The deny table, address by address."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sink.http.denylist import DENIED, DENIED_NAMES, refusal, refusal_of_name

FORBIDDEN = {
    # IPv4, first and last of each range where its borders matter
    "0.0.0.0": "this network",
    "0.255.255.255": "this network",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "shared",
    "100.100.100.200": "Alibaba",
    "100.127.255.255": "shared",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "Azure",
    "169.254.0.1": "link-local",
    "169.254.169.254": "metadata",
    "169.254.170.2": "metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "IETF",
    "192.0.0.192": "Oracle",
    "192.0.2.1": "documentation",
    "192.31.196.1": "AS112",
    "192.52.193.1": "multicast",
    "192.88.99.1": "6to4",
    "192.168.1.1": "private",
    "192.175.48.1": "AS112",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    # IPv6
    "::": "unspecified",
    "::1": "loopback",
    "::2": "IPv4-compatible",
    "::169.254.169.254": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:127.0.0.1": "IPv4-translated",
    "64:ff9b::a9fe:a9fe": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::1": "local NAT64",
    "100::1": "discard",
    "100:0:0:1::1": "dummy",
    "2001::1": "Teredo",
    "2001:0:a9fe:a9fe::1": "Teredo",
    "2001:20::1": "IETF",
    "2001:1ff:ffff::1": "IETF",
    "2001:db8::1": "documentation",
    "2002:a9fe:a9fe::1": "6to4",
    "2002:808:808::1": "6to4",
    "2620:4f:8000::1": "AS112",
    "3fff::1": "documentation",
    "5f00::1": "segment routing",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "febf::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "4000::1": "not assigned",
    "1fff::1": "not assigned",
    "200::1": "not assigned",
    "e000::1": "not assigned",
}
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2003::1",
    "3ffe:ffff::1",
]


@pytest.mark.parametrize(("address", "reason"), FORBIDDEN.items())
def test_special_addresses_are_refused_with_their_reason(address: str, reason: str) -> None:
    assert reason in (refusal(ip_address(address)) or "")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass_right_up_to_the_borders(address: str) -> None:
    assert refusal(ip_address(address)) is None


@given(st.ip_addresses())
def test_whatever_python_calls_private_is_refused_too(address: object) -> None:
    """Our table is never laxer than Python's."""
    checked = ip_address(str(address))
    if checked.is_private or checked.is_loopback or checked.is_link_local or checked.is_multicast:
        assert refusal(checked) is not None


@pytest.mark.parametrize(("network", "reason"), DENIED)
def test_both_ends_of_every_network_are_refused(network: object, reason: str) -> None:
    ends = ip_network(str(network))
    assert refusal(ends[0]) is not None
    assert refusal(ends[-1]) is not None


def test_a_network_is_opened_by_name_and_no_other_with_it() -> None:
    allowed = (ip_network("127.0.0.0/8"), ip_network("fd00::/64"))
    assert refusal(ip_address("127.0.0.1"), allowed) is None
    assert refusal(ip_address("fd00::1"), allowed) is None
    assert refusal(ip_address("::1"), allowed) == "loopback"
    assert refusal(ip_address("::ffff:127.0.0.1"), allowed) == "IPv4-mapped"
    assert refusal(ip_address("10.0.0.1"), allowed) == "private"


@pytest.mark.parametrize("name", [name for name, _, _ in DENIED_NAMES])
def test_a_name_that_leads_inside_is_refused_with_all_below_it(name: str) -> None:
    assert refusal_of_name(name)
    assert refusal_of_name(f"a.b.{name}")
    assert refusal_of_name(f"not-{name}.example") is None
    assert refusal_of_name(f"{name}.example") is None


@pytest.mark.parametrize("name", ["redis", "db", "metadata", "kubernetes", "com"])
def test_a_name_without_a_domain_is_one_of_the_local_network(name: str) -> None:
    assert refusal_of_name(name)
    assert refusal_of_name(f"{name}.example") is None


@pytest.mark.parametrize(
    ("name", "network", "opened"),
    [
        ("localhost", "127.0.0.1/32", True),
        ("a.localhost", "::/0", True),
        ("localhost", "10.0.0.0/8", False),
        ("metadata.google.internal", "10.0.0.0/8", False),
        ("metadata.google.internal", "169.254.169.254/32", True),
        ("crm.internal", "10.0.0.0/8", True),
        ("printer.local", "192.168.0.0/16", True),
        ("crm", "10.1.2.3/32", True),
    ],
)
def test_a_network_that_the_operator_opened_opens_its_names(name: str, network: str, opened: bool) -> None:
    assert (refusal_of_name(name, [ip_network(network)]) is None) == opened
