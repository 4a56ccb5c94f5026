"""The forecast of a process, made again when it is asked for and the last one is old."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from producers.waiting.forecast import Forecast, forecast
from schemas.errors import Outage, Rejected
from sink.jobs.unfinished.backlog import read_backlog
from sink.postgres.database import Database
from sink.postgres.statement_timeout import limited

log = logging.getLogger(__name__)
_KEPT_SECONDS = 2.0
_SHARE = 20  # a forecast that takes long is made so much less often
_MOST_KEPT_SECONDS = 10.0
_OLDEST_SECONDS = 60.0  # during an outage
_STATEMENT_SECONDS = 3.0


class ForecastCache:
    """One forecast for all requests of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: Forecast | None = None
        self._made_at = 0.0
        self._again_at = 0.0
        self._making = asyncio.Lock()

    async def current(self, database: Database) -> Forecast | None:
        """The forecast, which says its age; None while no job has completed lately, or when it cannot be made for long."""
        if self._clock() >= self._again_at and not (self._last and self._making.locked()):
            async with self._making:
                if self._clock() >= self._again_at:
                    await self._make(database)
        age = max(0.0, self._clock() - self._made_at)
        return replace(self._last, age=age) if self._last and age <= _OLDEST_SECONDS else None

    async def _make(self, database: Database) -> None:
        began = self._clock()
        self._again_at = began + _KEPT_SECONDS
        try:
            async with database.connection() as connection, limited(connection, _STATEMENT_SECONDS):
                backlog = await read_backlog(connection)
            made_at = self._clock()
            self._last = await asyncio.to_thread(forecast, backlog)
        except (Outage, Rejected) as error:
            log.warning("estimates are not made anew: %s", error)
        except Exception:  # whoever reads a job is not to be without it for want of an estimate
            log.exception("estimates are not made anew")
        else:
            pause = min(max(_KEPT_SECONDS, _SHARE * (self._clock() - began)), _MOST_KEPT_SECONDS)
            self._made_at, self._again_at = made_at, made_at + pause
