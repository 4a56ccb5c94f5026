"""A webhook dispatcher in a thread of this process, for tests of what stands in front of it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from sink.http.client import AsyncOutboundClient
from sink.postgres.database import Database
from sink.webhooks.secrets import SecretBox, new_key
from streams.webhooks.dispatcher import Dispatcher, DispatcherLimits

KEY = new_key()
OUTBOUND = OutboundSettings.model_validate({"allowed_networks": ["127.0.0.0/8"], "webhook_key": KEY})
BOX = SecretBox.from_settings(OUTBOUND)
LIMITS = DispatcherLimits(
    poll_seconds=0.05, sweep_seconds=0.2, pause_seconds=0.05, time_scale=1e-6, failing_seconds=1e12
)


@contextmanager
def dispatching(dsn: str) -> Iterator[None]:
    """Send what is due until the end of the block."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})) as database:
            await Dispatcher(database, AsyncOutboundClient(OUTBOUND, "development"), BOX, LIMITS).run(stop)

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(90)
