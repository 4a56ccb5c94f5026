"""The forecast of a process, made again when it is asked for and the last one is old."""

import asyncio
import logging
import time
from collections.abc import Callable

from producers.waiting.forecast import Forecast, forecast
from schemas.errors import Outage
from sink.jobs.unfinished.backlog import read_backlog
from sink.postgres.database import Database

log = logging.getLogger(__name__)
_KEPT_SECONDS = 2.0
_SHARE = 20  # a forecast that takes long is made so much less often


class ForecastCache:
    """One forecast for all requests of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: Forecast | None = None
        self._again_at = 0.0
        self._making = asyncio.Lock()

    async def current(self, database: Database) -> Forecast | None:
        """The forecast; None while no job has completed lately. During an outage that of before."""
        if self._clock() >= self._again_at and not (self._last and self._making.locked()):
            async with self._making:
                if self._clock() >= self._again_at:
                    await self._make(database)
        return self._last

    async def _make(self, database: Database) -> None:
        began = self._clock()
        try:
            async with database.connection() as connection:
                self._last = forecast(await read_backlog(connection))
        except Outage as error:
            log.warning("estimates are not made anew: %s", error)
        ended = self._clock()
        self._again_at = ended + max(_KEPT_SECONDS, _SHARE * (ended - began))
