"""One run: events are loaded while dispatchers are killed and the database is restarted; then everything is checked."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.process.cancellation import cancel_until_done
from sink.webhooks.endpoints import rotate_secret
from sink.webhooks.secrets import SecretBox
from tests.bench.webhooks.checker import Facts, Verdict, check
from tests.bench.webhooks.evidence import gathered
from tests.bench.webhooks.load import ended, load, register
from tests.bench.webhooks.parts import Parts
from tests.bench.webhooks.plan import Plan

LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 120.0  # without any progress
QUIET_SECONDS = 2.0  # in which what would be sent twice may still come


@dataclass(frozen=True)
class Faults:
    """How much goes wrong beside the receivers, spread over the run."""

    kills: int
    restarts: int
    rotations: int = 0
    """Changes of a secret; receivers go on with the one they had, which must sign along."""


@dataclass(frozen=True)
class Result:
    """What came of a run; `seconds` from the first event to the last end."""

    plan: Plan
    facts: Facts
    verdicts: list[Verdict]
    seconds: float
    ended_alone: int
    rotations: int

    @property
    def broken(self) -> list[Verdict]:
        """The promises that did not hold."""
        return [verdict for verdict in self.verdicts if verdict.broken]


def run(plan: Plan, faults: Faults, folder: Path, say: Console, *, dispatchers: int = 2, **parts: object) -> Result:
    """Run it on processes of its own in `folder`."""
    with Parts(folder, plan, dispatchers, **parts) as started:  # type: ignore[arg-type]
        return asyncio.run(_Run(plan, faults, started, say).done())


@dataclass
class _Run:
    plan: Plan
    faults: Faults
    parts: Parts
    say: Console
    loaded: int = 0
    ended: int = 0
    rotations: int = 0
    last_progress: float = field(default_factory=time.monotonic)

    async def done(self) -> Result:
        settings = PostgresSettings.model_validate({"postgres_dsn": self.parts.dsn, "postgres_pool_size": 4})
        secrets = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": self.parts.key}))
        async with Database.open(settings) as database:
            await register(database, self.plan, secrets)
            self.parts.start_dispatchers()
            began = time.monotonic()
            await self._through(database)
            seconds = time.monotonic() - began
            await asyncio.sleep(QUIET_SECONDS)
            await asyncio.to_thread(self.parts.stop_dispatchers)
            facts = await gathered(
                database, self.plan, self.parts.calls_log, kills=self.parts.kills, restarts=self.parts.restarts
            )
        return Result(
            self.plan, facts, await asyncio.to_thread(check, facts), seconds, self.parts.ended_alone, self.rotations
        )

    async def _through(self, database: Database) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.say, transient=True) as bars:
            loading = asyncio.create_task(load(database, self.plan, lambda: self.ended, self._note_loaded))
            try:
                await self._watched(database, bars)
            finally:
                await _ended(loading)

    def _note_loaded(self, number: int) -> None:
        self.loaded = number

    async def _watched(self, database: Database, bars: Progress) -> None:
        total = len(self.plan.known)
        goals = {"loaded": total, "ended": total, "killed": self.faults.kills, "restarted": self.faults.restarts}
        tasks = {name: bars.add_task(name, total=goal) for name, goal in goals.items()}
        harms = [
            asyncio.create_task(self._spread(self.faults.kills, total, self._kill)),
            asyncio.create_task(self._spread(self.faults.restarts, total, self._restart)),
            asyncio.create_task(self._spread(self.faults.rotations, total, partial(self._rotate, database))),
        ]
        try:
            while self.ended < total and time.monotonic() - self.last_progress < PATIENCE_SECONDS:
                await asyncio.sleep(LOOK_SECONDS)
                if (number := await ended(database)) is not None and number > self.ended:
                    self.ended, self.last_progress = number, time.monotonic()
                done = (self.loaded, self.ended, self.parts.kills, self.parts.restarts)
                for name, number in zip(tasks, done, strict=True):
                    bars.update(tasks[name], completed=number)
            await asyncio.wait(harms, timeout=PATIENCE_SECONDS)
        finally:
            await _ended(*harms)

    async def _spread(self, times: int, total: int, harm: Callable[[random.Random], Awaitable[None]]) -> None:
        """Do harm when the run has come so and so far, at a moment that chance chooses."""
        chance = random.Random(f"{self.plan.seed}/{times}")
        for number in range(times):
            while self.ended < total * (number + 0.5) / (times + 1):
                await asyncio.sleep(LOOK_SECONDS / 2)
            await asyncio.sleep(chance.random() * LOOK_SECONDS)
            await harm(chance)

    async def _kill(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.parts.kill_dispatcher, chance)

    async def _restart(self, _: random.Random) -> None:
        await asyncio.to_thread(self.parts.restart_database)

    async def _rotate(self, database: Database, _: random.Random) -> None:
        endpoint = self.plan.endpoint_id(self.rotations % self.plan.endpoints)
        secrets = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": self.parts.key}))
        await database.run_when_back(lambda connection: rotate_secret(connection, secrets, endpoint), LOOK_SECONDS)
        self.rotations += 1


async def _ended(*tasks: asyncio.Task[None]) -> None:
    """End tasks; raises what one of them raised."""
    await cancel_until_done(*tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
