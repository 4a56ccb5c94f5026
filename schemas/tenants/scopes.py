"""Scopes of API keys: what a key may do, and what it may allow another one. Pure."""

from collections.abc import Collection, Set
from enum import StrEnum

from schemas.errors import Rejected


class Scope(StrEnum):
    """A scope of a key."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    OPERATOR = "operator"


MEANINGS: dict[Scope, str] = {
    Scope.READ: "see jobs, transcripts and webhooks of the tenant",
    Scope.WRITE: "hand in, cancel and erase jobs, correct transcripts, and change webhooks",
    Scope.ADMIN: "make, list and revoke keys of the tenant",
    Scope.OPERATOR: "make, list and revoke keys of every tenant, see dead letters, and why any job waits",
}
USUAL = frozenset({Scope.READ, Scope.WRITE})
"""The scopes of a key for which none are named."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MANAGES_KEYS = frozenset({Scope.ADMIN, Scope.OPERATOR})


def scope_for(method: str) -> Scope:
    """The scope that a request of a tenant's client needs, by its method."""
    return Scope.READ if method in _SAFE else Scope.WRITE


def check_scope(own: Set[Scope], *needed: Scope) -> None:
    """Raise Rejected(forbidden) for a key that lacks a scope."""
    if missing := [scope for scope in needed if scope not in own]:
        raise Rejected("forbidden", f"the key lacks the scope `{missing[0]}`: {MEANINGS[missing[0]]}")


def check_grant(own: Set[Scope], own_tenant: str, tenant: str, scopes: Collection[Scope] = ()) -> None:
    """Raise Rejected(forbidden) for a key that may not manage keys of a tenant, or of so many scopes."""
    if Scope.OPERATOR in own:
        return
    if not own & _MANAGES_KEYS:
        check_scope(own, Scope.ADMIN)
    if tenant != own_tenant:
        raise Rejected("forbidden", f"keys of other tenants need the scope `{Scope.OPERATOR}`")
    if Scope.OPERATOR in scopes:
        raise Rejected("forbidden", f"only a key with the scope `{Scope.OPERATOR}` makes one with it")
