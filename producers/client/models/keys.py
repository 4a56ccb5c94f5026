"""API keys of a tenant."""

from datetime import datetime
from typing import ClassVar

from .document import Document


class Key(Document):
    """A key without its text, which the service does not store."""

    key_id: str
    tenant: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None = None


class NewKey(Document):
    """A new key; `key` is its text, which is shown this once."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"key"})

    key: str
    key_id: str
    tenant: str
    label: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    requests_per_minute: int | None = None
