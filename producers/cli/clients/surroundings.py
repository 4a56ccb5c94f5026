"""Environment variables of HTTP clients besides our settings, named in errors: proxies, certificates."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLError
from urllib.parse import urlsplit

from schemas.errors import SettingsError

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def building_client(url: str) -> Iterator[None]:
    """Context for creating a client for `url`; raises SettingsError with the name of the faulty variable."""
    try:
        yield
    except (FileNotFoundError, PermissionError, SSLError) as error:
        raise SettingsError(
            f"{_certificates()}: no certificates can be read there ({error.strerror or error})"
        ) from error
    # httpx's own words for a proxy of a kind that it lacks, or that is no address at all
    except (ImportError, ValueError) as error:
        if "proxy" not in str(error).lower():
            raise  # a bug of ours keeps its traceback
        raise SettingsError(f"{proxy_variable(url) or _any_proxy()}: is no proxy at http(s)://HOST:PORT") from error


def proxy_variable(url: str) -> str | None:
    """The variable whose proxy is used for `url`, None where there is none."""
    parts = urlsplit(url)
    if _needs_none(parts.hostname or ""):
        return None
    return next(filter(None, map(_written, (parts.scheme, "all"))), None)


def _needs_none(host: str) -> bool:
    """Whether NO_PROXY names a host, a domain above it, or everything."""
    names = (name.strip().lower() for name in os.environ.get(_written("no") or "", "").split(","))
    return any(
        name == "*" or host == name.lstrip(".") or host.endswith(f".{name.lstrip('.')}") for name in names if name
    )


def address_of_proxy(variable: str) -> str:
    """The address of the proxy in a variable, without its password."""
    return os.environ[variable].rpartition("@")[2].rpartition("//")[2].rstrip("/")


def _written(kind: str) -> str | None:
    """The name of a proxy variable in the environment; lower case takes precedence, even when its value is empty."""
    lower = f"{kind}_proxy"
    name = lower if lower in os.environ else lower.upper()
    return name if os.environ.get(name) else None


def _any_proxy() -> str:
    """The first proxy variable that is set, since a faulty one for other addresses breaks the client as well."""
    return next(filter(None, map(_written, ("http", "https", "all"))), "the proxy")


def _certificates() -> str:
    """The faulty certificate variable: the one whose file or folder does not exist, else each that is set."""
    named = [name for name in _CERTIFICATES if os.environ.get(name)]
    absent = [name for name in named if not Path(os.environ[name]).exists()]
    return " or ".join(absent or named or _CERTIFICATES)
