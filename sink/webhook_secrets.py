"""Webhook secrets at rest: AES-256-GCM under SCRIBE_WEBHOOK_KEY, bound to their endpoint.

`python -m sink.webhook_secrets` prints a new key.
"""

import base64
import secrets
import sys
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import SettingsError
from schemas.settings import OutboundSettings

KEY_BYTES = 32
SECRET_BYTES = 32
_VARIABLE = "SCRIBE_WEBHOOK_KEY"
_VERSION = b"\x01"
_NONCE_BYTES = 12


def new_key() -> str:
    """A fresh value of SCRIBE_WEBHOOK_KEY."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class SecretBox:
    """Makes, encrypts and decrypts the secrets of endpoints."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def of(cls, settings: OutboundSettings) -> "SecretBox":
        """The box of the configured key; raises SettingsError when it is missing or malformed."""
        if settings.webhook_key is None:
            raise SettingsError(f"{_VARIABLE}: is not set; make one with `python -m sink.webhook_secrets`")
        try:
            key = base64.b64decode(settings.webhook_key.get_secret_value(), validate=True)
        except ValueError as error:
            raise SettingsError(f"{_VARIABLE}: is not base64") from error
        if len(key) != KEY_BYTES:
            raise SettingsError(f"{_VARIABLE}: has {len(key)} bytes instead of {KEY_BYTES}")
        return cls(key)

    def new_secret(self, endpoint_id: UUID) -> bytes:
        """A fresh random secret of an endpoint, encrypted."""
        return self.seal(secrets.token_bytes(SECRET_BYTES), endpoint_id)

    def seal(self, secret: bytes, endpoint_id: UUID) -> bytes:
        """An encrypted secret; it opens for the same endpoint only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, endpoint_id.bytes)

    def open(self, sealed: bytes, endpoint_id: UUID) -> bytes:
        """The secret; raises SettingsError when it was encrypted under another key or for another endpoint."""
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, rest, endpoint_id.bytes)
        except (InvalidTag, ValueError) as error:
            raise SettingsError(
                f"{_VARIABLE}: the secret of endpoint {endpoint_id} was made with another key"
            ) from error


if __name__ == "__main__":
    sys.stdout.write(new_key() + "\n")
