"""The HTTP server under the REST shim: its address, and the configuration of uvicorn."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from producers.api.http.client_limits import ClientLimits
from producers.api.http.connections import Connection, Connections
from schemas.errors import SettingsError

# connections that wait to be taken in; no more than there may be files for, since the loop closes those that have none
BACKLOG = 2048
GRACE_SECONDS = 20  # for requests that run when SIGTERM comes


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; raises SettingsError when the address is in use or not one of this machine."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"SCRIBE_API_PORT, SCRIBE_API_HOST: cannot listen on {host}:{port}: {error.strerror}"
        ) from error
    with listener:
        # connections inherit it; asyncio sets it only where the socket names its protocol, which this one does not, and
        # without it the second packet of an answer waits 40 ms for the client's acknowledgement of the first
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def config_of(app: ASGIApp, patience: ClientLimits) -> uvicorn.Config:
    """The uvicorn configuration of the shim."""
    return uvicorn.Config(
        app,
        http=partial(Connection, all_of_them=Connections(patience)),  # type: ignore[arg-type]
        backlog=min(BACKLOG, patience.spare),
        timeout_keep_alive=patience.idle_seconds,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody asks who the client is
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
