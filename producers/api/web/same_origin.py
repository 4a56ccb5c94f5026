"""Defence against requests that another site lets a browser send with its cookie. Pure."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from schemas.errors import Rejected

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_same_origin(method: str, headers: Headers, public_url: str) -> None:
    """Raise Rejected(cross_site) unless a request that changes something comes from this service's own page.

    Browsers say so by Sec-Fetch-Site, which no script can set; over plain http they leave it out, and Origin decides. A
    request that has neither comes from no browser of these years and has no business with a cookie.
    """
    if method in SAFE:
        return
    if (site := headers.get("sec-fetch-site")) is not None:
        allowed = site == "same-origin"
    else:
        allowed = _is_ours(headers.get("origin", ""), headers.get("host", ""), public_url)
    if not allowed:
        raise Rejected("cross_site")


def _is_ours(origin: str, host: str, public_url: str) -> bool:
    try:
        asked, public = urlsplit(origin), urlsplit(public_url)
    except ValueError:
        return False
    if asked.scheme not in ("http", "https") or not asked.netloc:
        return False
    # a proxy may hand on another Host than the one in the address bar, which the public address then is
    return asked.netloc.lower() == host.lower() or (asked.scheme, asked.netloc) == (public.scheme, public.netloc)
