"""Addresses as strangers write them: what is refused, and what is made of the rest."""

from contextlib import suppress
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Permanent
from sink.http.url import UrlRules, check_answers, parse_target, redirected

PRODUCTION = UrlRules()
OPENED = UrlRules(allowed=(ip_network("10.0.0.0/8"),))
DEVELOPMENT = UrlRules(development=True, allowed=(ip_network("127.0.0.0/8"),))

REFUSED = {
    # the scheme
    "": "must begin with",
    "example.com/a.mp3": "must begin with",
    "//example.com/a.mp3": "must begin with",
    "http://example.com/": "must begin with https://",
    "ftp://example.com/": "must begin with",
    "file:///etc/passwd": "must begin with",
    "gopher://example.com/": "must begin with",
    "javascript:alert(1)": "must begin with",
    # the port
    "https://example.com:80/": "port 80",
    "https://example.com:22/": "port 22",
    "https://example.com:0/": "port 0",
    "https://example.com:65536/": "not written",
    "https://example.com:x/": "not written",
    "https://example.com:-443/": "not written",
    # who is meant
    "https://user@example.com/": "user name",
    "https://user:secret@example.com/": "user name",
    "https://@example.com/": "user name",
    "https://good.example@evil.example/": "user name",
    # the host
    "https://": "legal name",
    "https:///a.mp3": "legal name",
    "https://a..example/": "legal name",
    "https://.example/": "legal name",
    "https://exa%6dple.com/": "legal name",
    "https://-a.example/": "legal name",
    "https://a-.example/": "legal name",
    f"https://{'a' * 64}.example/": "legal name",
    f"https://{'a.' * 127}example/": "legal name",
    "https://a,b.example/": "legal name",
    "https://\u2100.example/": "not written",
    "https://a\u200d.example/": "legal name",
    # numbers that resolvers read as loopback
    "https://2130706433/": "is a number",
    "https://0x7f000001/": "is a number",
    "https://0x7f.0.0.1/": "not a public one|is a number",
    "https://127.0.0.0x1/": "is a number",
    "https://0177.0.0.1/": "is a number",
    "https://127.1/": "is a number",
    "https://127.0.1/": "is a number",
    "https://0/": "is a number",
    "https://0x/": "is a number",
    "https://127.0.0.1.1/": "is a number",
    "https://256.0.0.1/": "is a number",
    "https://1.1.1.1.0x/": "is a number",
    # addresses
    "https://127.0.0.1/": "loopback",
    "https://127.0.0.1./": "loopback",
    "https://①②⑦.0.0.1/": "loopback",
    "https://127。0。0。1/": "loopback",
    "https://169.254.169.254/latest/meta-data/": "metadata",
    "https://168.63.129.16/": "Azure",
    "https://10.1.2.3:8443/": "private",
    "https://[::1]/": "loopback",
    "https://[::ffff:169.254.169.254]/": "IPv4-mapped",
    "https://[::ffff:a9fe:a9fe]/": "IPv4-mapped",
    "https://[64:ff9b::a9fe:a9fe]/": "NAT64",
    "https://[fd00:ec2::254]/": "metadata",
    "https://[fe80::1%25eth0]/": "IPv6",
    "https://[::1/": "not written",
    "https://[::1]a/": "IPv6|not written",
    "https://[127.0.0.1]/": "IPv6|not written",
    "https://[v1.fe]/": "IPv6|not written",
    "https://[]/": "IPv6|not written",
    # names that lead inside
    "https://localhost/": "loopback",
    "https://LOCALHOST.:8443/": "loopback",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/": "loopback",
    "https://a.localhost/": "loopback",
    "https://localhost.localdomain/": "loopback",
    "https://printer.local/": "multicast DNS",
    "https://metadata.google.internal/computeMetadata/v1/": "metadata",
    "https://metadata.goog/": "metadata",
    "https://ip-10-0-0-1.ec2.internal/": "private",
    "https://kubernetes.default.svc/": "cluster",
    "https://kubernetes.default.svc.cluster.local/": "cluster",
    "https://router.home.arpa/": "private",
    "https://redis/": "without a domain",
    # letters that parsers disagree on
    "https://example.com\\@evil.example/": "backslashes",
    "https://example.com/a b": "spaces",
    " https://example.com/": "spaces",
    "https://exam\tple.com/": "spaces",
    "https://example.com/\r\nHost: evil": "spaces",
    "https://example.com/\x00": "spaces",
    "https://example.com/\ud800": "broken",
    "https://example.com/" + "a" * 8192: "longer than",
}


@pytest.mark.parametrize(("url", "why"), REFUSED.items(), ids=range(len(REFUSED)))
def test_an_address_that_breaks_a_rule_is_refused_with_the_rule(url: str, why: str) -> None:
    with pytest.raises(Permanent, match=why) as caught:
        parse_target(url, PRODUCTION)
    assert caught.value.code == "source_refused"


@pytest.mark.parametrize("url", ["https://localhost/", "https://crm.internal/", "https://redis/"])
def test_development_and_opened_networks_leave_names_to_the_look_up(url: str) -> None:
    """What they lead to is judged when they are called."""
    assert parse_target(url, UrlRules(development=True)).url == url
    if "localhost" not in url:
        assert parse_target(url, OPENED).url == url


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com./A.mp3", "https://example.com/A.mp3"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com/a?b=c/d?e#fragment", "https://example.com/a?b=c/d?e"),
        ("https://example.com?b=c", "https://example.com/?b=c"),
        ("https://example.com/a%20b/%2e%2e/c", "https://example.com/a%20b/%2e%2e/c"),
        ("https://example.com/שלום.wav?q=é", "https://example.com/%D7%A9%D7%9C%D7%95%D7%9D.wav?q=%C3%A9"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://ＥＸＡＭＰＬＥ。com/", "https://example.com/"),
        ("https://my_bucket.example/", "https://my_bucket.example/"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://[2606:4700:0::1111]:8443/", "https://[2606:4700::1111]:8443/"),
        ("https://127.0.0.1.example/", "https://127.0.0.1.example/"),
    ],
)
def test_the_rest_is_sent_in_one_spelling(url: str, sent: str) -> None:
    assert parse_target(url, PRODUCTION).url == sent


def test_development_opens_http_any_port_and_the_named_networks_only() -> None:
    target = parse_target("http://127.0.0.1:8080/hook", DEVELOPMENT)
    assert (target.scheme, target.host, target.port, target.path) == ("http", "127.0.0.1", 8080, "/hook")
    for url in ("http://10.0.0.1/", "http://[::1]/", "ftp://127.0.0.1/", "http://127.0.0.1:0/"):
        with pytest.raises(Permanent):
            parse_target(url, DEVELOPMENT)


def test_no_message_and_no_public_address_holds_a_secret() -> None:
    secret = "kanari"
    for url in (
        f"https://u:{secret}@example.com/",
        f"https://u:{secret}\u2100@example.com/",
        f"https://{secret}:{secret}/",
        f"https://10.0.0.1/?token={secret}",
    ):
        with pytest.raises(Permanent) as caught:
            parse_target(url, PRODUCTION)
        assert secret not in str(caught.value)
    assert parse_target(f"https://example.com/a?token={secret}", PRODUCTION).public_url == "https://example.com/a"


@given(st.text(max_size=60) | st.from_regex(r"https?://[^ ]{0,40}", fullmatch=True))
def test_any_text_is_a_target_of_one_spelling_or_refused(url: str) -> None:
    """No other exception comes out, and what passes is read the same again."""
    target = None
    with suppress(Permanent):
        target = parse_target(url, PRODUCTION)
    if target is not None:
        assert target.url.isascii()
        assert parse_target(target.url, PRODUCTION) == target


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b?x=1", "https://example.com:8443/b?x=1"),
        ("c", "https://example.com:8443/a/c"),
        ("//other.example/", "https://other.example/"),
        ("https://other.example/z", "https://other.example/z"),
        ("/é".encode().decode("latin-1"), "https://example.com:8443/%C3%A9"),
        ("/é", "https://example.com:8443/%E9"),
        ("//bücher.example/é".encode().decode("latin-1"), "https://xn--bcher-kva.example/%C3%A9"),
    ],
)
def test_a_redirect_is_read_from_where_it_was_found(location: str, leads_to: str) -> None:
    assert redirected(parse_target("https://example.com:8443/a/b", PRODUCTION), location, PRODUCTION).url == leads_to


@pytest.mark.parametrize(
    "location", ["http://example.com/", "https://127.0.0.1/", "https://u@example.com/", "file:///"]
)
def test_a_redirect_obeys_the_same_rules(location: str) -> None:
    with pytest.raises(Permanent, match="not allowed"):
        redirected(parse_target("https://example.com/", PRODUCTION), location, PRODUCTION)


def test_one_denied_answer_refuses_the_host() -> None:
    public, private = ip_address("1.1.1.1"), ip_address("10.0.0.1")
    assert check_answers([public], PRODUCTION) == (public,)
    for answers in ([private], [public, private], [private, public]):
        with pytest.raises(Permanent, match="private"):
            check_answers(answers, PRODUCTION)
