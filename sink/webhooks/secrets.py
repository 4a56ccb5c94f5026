"""Webhook secrets at rest: AES-256-GCM under the keys of SCRIBE_WEBHOOK_KEY, bound to their endpoint.

The first key encrypts, all of them decrypt, so that a key can be changed without a pause.
`python -m sink.webhooks.secrets` prints a new key.
"""

import base64
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import SettingsError
from schemas.settings.outbound import OutboundSettings

KEY_BYTES = 32
SECRET_BYTES = 32
_VARIABLE = "SCRIBE_WEBHOOK_KEY"
_VERSION = b"\x01"
_NONCE_BYTES = 12


def new_key() -> str:
    """A fresh value of SCRIBE_WEBHOOK_KEY."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class SecretBox:
    """Creates, encrypts and decrypts the secrets of endpoints."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    @classmethod
    def from_settings(cls, settings: OutboundSettings) -> "SecretBox":
        """The box of the configured keys; raises SettingsError when one is missing or malformed."""
        if settings.webhook_key is None:
            raise SettingsError(f"{_VARIABLE}: is not set; make one with `python -m sink.webhooks.secrets`")
        return cls([_parsed(text.strip()) for text in settings.webhook_key.get_secret_value().split(",")])

    def new_secret(self, endpoint_id: UUID) -> bytes:
        """A fresh random secret of an endpoint, encrypted."""
        return self.seal(secrets.token_bytes(SECRET_BYTES), endpoint_id)

    def seal(self, secret: bytes, endpoint_id: UUID) -> bytes:
        """A secret encrypted under the first key; it opens for the same endpoint only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, secret, endpoint_id.bytes)

    def open(self, sealed: bytes, endpoint_id: UUID) -> bytes:
        """The secret; raises SettingsError when it was encrypted under another key or for another endpoint."""
        return self._opened(sealed, endpoint_id)[1]

    def resealed(self, sealed: bytes, endpoint_id: UUID) -> bytes | None:
        """The secret encrypted anew under the first key, None when it already is; raises like `open`."""
        place, secret = self._opened(sealed, endpoint_id)
        return None if place == 0 else self.seal(secret, endpoint_id)

    def _opened(self, sealed: bytes, endpoint_id: UUID) -> tuple[int, bytes]:
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] == _VERSION and len(nonce) == _NONCE_BYTES:
            for place, cipher in enumerate(self._ciphers):
                with suppress(InvalidTag):
                    return place, cipher.decrypt(nonce, rest, endpoint_id.bytes)
        raise SettingsError(f"{_VARIABLE}: the secret of endpoint {endpoint_id} was made with another key")


def _parsed(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise SettingsError(f"{_VARIABLE}: is not base64") from error
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{_VARIABLE}: has {len(key)} bytes instead of {KEY_BYTES}")
    return key


if __name__ == "__main__":
    sys.stdout.write(new_key() + "\n")
