"""Requests by cookie: which come from the page itself."""

import pytest
from starlette.datastructures import Headers

from producers.api.web.same_origin import check_same_origin
from schemas.errors import Rejected

PUBLIC = "https://scribe.example"


def allowed(method: str = "POST", public_url: str = PUBLIC, **headers: str) -> bool:
    """Whether a request passes."""
    try:
        check_same_origin(method, Headers({name.replace("_", "-"): text for name, text in headers.items()}), public_url)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_may_come_from_anywhere(method: str) -> None:
    assert allowed(method, sec_fetch_site="cross-site")


@pytest.mark.parametrize(
    ("site", "passes"),
    [("same-origin", True), ("same-site", False), ("cross-site", False), ("none", False), ("", False)],
)
def test_the_word_of_the_browser_decides_whatever_the_origin_is(site: str, passes: bool) -> None:
    assert allowed(sec_fetch_site=site, origin=PUBLIC, host="scribe.example") == passes


@pytest.mark.parametrize(
    ("origin", "host", "passes"),
    [
        ("http://box.local:8000", "box.local:8000", True),
        ("http://BOX.local:8000", "box.LOCAL:8000", True),
        (PUBLIC, "10.0.0.7:8000", True),  # behind a proxy that hands on a host of its own
        ("http://scribe.example", "10.0.0.7:8000", False),  # the public address in another scheme
        ("http://box.local:8001", "box.local:8000", False),
        ("http://box.local", "box.local:8000", False),
        ("http://evil.example", "box.local:8000", False),
        ("http://box.local:8000.evil.example", "box.local:8000", False),
        ("ftp://box.local:8000", "box.local:8000", False),
        ("null", "box.local:8000", False),
        ("", "", False),
        ("http://", "", False),
        ("http://[", "[", False),
    ],
)
def test_without_its_word_the_origin_must_be_the_host_or_the_public_address(
    origin: str, host: str, passes: bool
) -> None:
    assert allowed(origin=origin, host=host) == passes
