"""The end of what is leased: asked for in the moment in which a connection is granted, it comes all the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import pytest

from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Connection, Database
from streams.runtime.lease_worker import GROUP, Leaser, LeaseTiming

pytestmark = pytest.mark.anyio
NEVER = 3600.0
PATIENCE = 60.0
STEPS = range(7)
"""Of the event loop, between the grant of a connection and the stop."""


@dataclass(frozen=True)
class Hanging:
    lease_token: UUID = field(default_factory=uuid4)


@dataclass
class Work:
    """One job, which never ends by itself, and waits for the database in vain."""

    database: Database
    channel: str = "nobody"
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def lease(self, connection: Connection, free: int, own: Sequence[UUID]) -> Sequence[Hanging]:
        return () if own or self.begun.is_set() else (Hanging(),)

    async def extend(self, connection: Connection, own: Sequence[UUID]) -> None:
        """Nothing."""

    async def sweep(self, connection: Connection) -> None:
        """Nothing."""

    async def do(self, job: Hanging) -> None:
        self.begun.set()
        while True:
            async with self.database.transaction():
                pass
            await asyncio.sleep(NEVER)


PACE = LeaseTiming(lease_seconds=NEVER, sweep_seconds=NEVER, poll_seconds=0.01, drain_seconds=0)
HELPERS = {"extend": replace(PACE, lease_seconds=0.03), "sweep": replace(PACE, sweep_seconds=0.01)}
"""Which of the helpers works often."""


@pytest.mark.parametrize("end", ["stop", "cancel"])
@pytest.mark.parametrize("pace", HELPERS.values(), ids=HELPERS.keys())
async def test_a_leaser_ends_when_it_is_told_to_in_the_moment_of_a_grant(
    database: str, pace: LeaseTiming, end: str
) -> None:
    """Its loop, a helper and a job wait for the only connection, and each gets it in its turn."""
    settings = PostgresSettings.model_validate({"postgres_dsn": database, "postgres_pool_size": 1})
    async with Database.open(settings, timeout=PATIENCE) as db:
        for steps in STEPS:
            stop, work = asyncio.Event(), Work(db)
            running = asyncio.create_task(Leaser(db, work, pace).run(stop))
            await work.begun.wait()
            connection = await db._pool.getconn()
            while len(db._pool._waiting) < 2:
                await asyncio.sleep(0)
            await db._pool.putconn(connection)
            for _ in range(steps):
                await asyncio.sleep(0)
            stop.set() if end == "stop" else running.cancel()
            done, _ = await asyncio.wait({running}, timeout=PATIENCE)
            assert done, f"{steps} steps after the grant"
            assert running.cancelled() == (end == "cancel")


async def gate_of(leaser: Leaser[Hanging], known: tuple[ClosedGate, ...]) -> tuple[ClosedGate, ...]:
    """Its closed gates, as soon as they are others than `known`."""
    stop = asyncio.Event()
    running = asyncio.create_task(leaser.run(stop))
    async with asyncio.timeout(PATIENCE):
        while leaser.waits().closed == known:
            await asyncio.sleep(0.01)
    found = leaser.waits().closed
    running.cancel()
    await asyncio.wait({running}, timeout=PATIENCE)
    return found


async def test_a_leaser_starts_before_anything_is_away(database: str, deaf_port: int) -> None:
    """Whose database is away is told from who has not asked it yet."""
    starting, away = (ClosedGate(GROUP, WaitReason.STARTING),), (ClosedGate(GROUP, WaitReason.OUTAGE),)
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as db:
        leaser = Leaser(db, Work(db), PACE)
        assert leaser.waits().closed == starting
        assert await gate_of(leaser, starting) == ()
    async with Database.pooled(f"host=127.0.0.1 port={deaf_port} dbname=scribe", 1, timeout=1) as db:
        assert await gate_of(Leaser(db, Work(db), PACE), starting) == away
