"""Webhook signatures by Standard Webhooks 1.0.0: HMAC-SHA256 over id, timestamp and the exact bytes of the body."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

from schemas.errors import SettingsError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin, not one
SECRET_BYTES = range(24, 65)  # what the standard allows


def message_id(delivery_id: UUID) -> str:
    """The id that a receiver sees at every attempt of a delivery; without dots, which separate the signed parts."""
    return "msg_" + base64.b32encode(delivery_id.bytes).decode().rstrip("=").lower()


def format_secret(secret: bytes) -> str:
    """A secret in the form that its owner receives."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def parse_secret(text: str) -> bytes:
    """The bytes of a formatted secret; raises SettingsError for an invalid one."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise SettingsError("a webhook secret is whsec_ and base64") from error
    if len(secret) not in SECRET_BYTES:
        raise SettingsError(f"a webhook secret has 24 to 64 bytes, not {len(secret)}")
    return secret


def signed_headers(secrets: Sequence[bytes], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a call at `timestamp` (unix seconds); one signature a secret, so that secrets can change."""
    content = f"{message}.{timestamp}.".encode() + body
    return {
        ID: message,
        TIMESTAMP: str(timestamp),
        SIGNATURE: " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
