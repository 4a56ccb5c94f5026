"""The cookie of a session: how it is named, set, read and taken back."""

from fastapi import Request, Response

from producers.api.web.same_origin import check_same_origin
from sink.postgres.database import Database
from sink.tenants.sessions import LIFE, Session, SessionCache

_NAME = "scribe_session"
_HOST_ONLY = "__Host-"  # browsers take such a name only with Secure, from this host, for all its paths


def cookie_name(public_url: str) -> str:
    """The name of the cookie under the service's public address."""
    return f"{_HOST_ONLY}{_NAME}" if _is_secure(public_url) else _NAME


def set_cookie(response: Response, token: str, public_url: str) -> None:
    """Hand a session's token to the browser: no script reads it, no other site sends it, it goes with the session."""
    response.set_cookie(
        cookie_name(public_url),
        token,
        max_age=int(LIFE.total_seconds()),
        path="/",
        secure=_is_secure(public_url),
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response, public_url: str) -> None:
    """Take the cookie back."""
    response.delete_cookie(
        cookie_name(public_url), path="/", secure=_is_secure(public_url), httponly=True, samesite="strict"
    )


def token_of(request: Request, public_url: str) -> str | None:
    """The token that a request carries."""
    return request.cookies.get(cookie_name(public_url))


async def session_of(request: Request, database: Database, sessions: SessionCache, public_url: str) -> Session | None:
    """The session that a request belongs to, None without one; raises Rejected(cross_site)."""
    token = token_of(request, public_url)
    session = await sessions.find(database, token) if token else None
    if session is not None:
        check_same_origin(request.scope["method"], request.headers, public_url)
    return session


def _is_secure(public_url: str) -> bool:
    return public_url.lower().startswith("https://")
