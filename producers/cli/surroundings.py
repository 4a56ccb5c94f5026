"""What HTTP clients read of the environment beside our settings, so that mistakes there are named: proxies, certificates."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from schemas.errors import SettingsError

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def building_client(url: str) -> Iterator[None]:
    """Around the making of a client for `url`; raises SettingsError that names the variable by which none can be made."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{_certificates()}: no certificates can be read there ({error.strerror or error})"
        ) from error
    # httpx's own words for a proxy of a kind that it lacks, or that is no address at all
    except (ImportError, ValueError, TypeError) as error:
        raise SettingsError(f"{proxy_variable(url) or _any_proxy()}: is no proxy at http(s)://HOST:PORT") from error


def proxy_variable(url: str) -> str | None:
    """The variable whose proxy stands before `url`, None where there is none."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies_environment()
    return next((_written(kind) for kind in (parts.scheme, "all") if proxies.get(kind)), None)


def address_of_proxy(variable: str) -> str:
    """Where the proxy of a variable is, without the password that may stand there."""
    return os.environ[variable].rpartition("@")[2].rpartition("//")[2].rstrip("/")


def _written(kind: str) -> str:
    """As it is spelt in the environment; the lower case wins."""
    lower = f"{kind}_proxy"
    return lower if os.environ.get(lower) else lower.upper()


def _any_proxy() -> str:
    """One for other addresses spoils the client as well."""
    return next(map(_written, getproxies_environment()), "the proxy")


def _certificates() -> str:
    """The variable at fault: the one whose file or folder is not there, else each that is set."""
    named = [name for name in _CERTIFICATES if os.environ.get(name)]
    absent = [name for name in named if not Path(os.environ[name]).exists()]
    return " or ".join(absent or named or _CERTIFICATES)
