"""Readers of the values of settings: lists, objects, addresses and secrets; each raises ValueError with what is wrong."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.tenants.retention import days_of


def json_object(value: Any) -> Any:
    """JSON text as what it holds; `NoDecode` leaves it to us, so that a mistake is reported beside all others."""
    return _json(value, 'is not a JSON object such as {"linger.ms": "5"}') if isinstance(value, str) else value


def names(value: Any) -> Any:
    """Names separated by commas, or a JSON list of them."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return _json(value, "is neither a list separated by commas nor a JSON list")


def _json(text: str, mistake: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{mistake}: {error.msg}") from error


def days_by_class(value: Any) -> Any:
    """`audio=7,transcripts=forever` as numbers of days by class."""
    if not isinstance(value, str):
        return value
    pairs = (part.strip().partition("=") for part in value.split(",") if part.strip())
    try:
        return {name.strip(): days_of(days.strip()) for name, _, days in pairs}
    except ValueError as error:
        raise ValueError(f"must be classes with their days, such as audio=7,transcripts=forever: {error}") from error


def http_address(value: str | None) -> str | None:
    """An address that a client can be made for; raises ValueError for any other."""
    if value is not None:
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:  # its own words quote what stands there, which may be a part of a password
            raise ValueError(
                "is not an http(s) address with a valid host and port; special characters are written as %XX"
            ) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not an http(s) address")
    return value


def web_origin(value: str) -> str:
    """An origin as browsers write it in their header, or `*` for all; raises ValueError for anything else."""
    if value != "*":
        parts = urlsplit(http_address(value.lower()) or "")
        if parts.geturl() != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
            raise ValueError(f"{value}: an origin is a scheme, a host and perhaps a port, such as https://app.example")
    return value.lower()


def https_address(value: str | None) -> str | None:
    """An address to which a secret may be sent: encrypted, or on this machine."""
    parts = urlsplit(http_address(value) or "")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("would be sent a secret in the clear: it must be an https address")
    return value


def text_of(path: Path) -> str:
    """The content of a file without the line end that editors add."""
    return path.read_text().strip("\r\n")


def secret_of(value: SecretStr | None, path: Path | None) -> str | None:
    """The secret in a file, else that of a variable."""
    if path is not None:
        return text_of(path)
    return value.get_secret_value() if value else None


def header_value(value: SecretStr | None) -> SecretStr | None:
    """A key that becomes a header, whose errors would show it."""
    text = value.get_secret_value().strip() if value else ""
    if not text.isascii() or not text.isprintable():
        raise ValueError("has characters that no key has: copy it again")
    return SecretStr(text) if text else None
