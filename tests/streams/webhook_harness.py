"""The database with persist and webhooks in front of it, receivers and dispatchers behind: what the tests of webhooks share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas.settings.outbound import OutboundSettings
from sink.http.client import AsyncOutboundClient
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.webhooks.secrets import SecretBox, new_key
from sink.webhooks.signature import format_secret
from streams.agents.persist import Persist
from streams.agents.webhooks import Webhooks
from streams.webhooks.dispatcher import Dispatcher, DispatcherLimits
from tests.streams.jobs import Job, new_job
from tests.streams.receiver import Receiver, receiving

OUTBOUND = OutboundSettings.model_validate({"allowed_networks": ["127.0.0.0/8"], "webhook_key": new_key()})
SECRETS = SecretBox.from_settings(OUTBOUND)
LIMITS = DispatcherLimits(
    # neither runs out where the machine stands still for some seconds
    call_seconds=60,
    lease_seconds=60,
    poll_seconds=0.05,
    sweep_seconds=0.1,
    pause_seconds=0.05,
    time_scale=1e-6,
    failing_seconds=1e12,
)
ONCE = replace(LIMITS, time_scale=1000)
"""What fails is not tried again meanwhile."""
DEADLINE = 60.0


class WebhookHarness:
    """The database with persist and webhooks in front of it, and receivers behind."""

    def __init__(self, db: Database, store: S3ObjectStore, stack: ExitStack) -> None:
        self.db = db
        self.persist = Persist(db, store)
        self.webhooks = Webhooks(db, SECRETS, "https://scribe.example")
        self._stack = stack
        self._secrets: dict[str, str] = {}

    def receiver(self, **values: Any) -> Receiver:
        receiver = Receiver(**values)
        receiver.secret = lambda: self._secrets.get(receiver.url)
        return self._stack.enter_context(receiving(receiver))

    async def job(self, receiver: Receiver, **values: Any) -> Job:
        """A job whose webhook is scheduled and whose result is not applied yet."""
        job = new_job(webhook_url=receiver.url, **values)
        assert await self.webhooks.ended(job.result()) == "scheduled"
        (row,) = await self.rows("SELECT endpoint_id, secret FROM webhook_endpoints WHERE url = %s", receiver.url)
        self._secrets[receiver.url] = format_secret(SECRETS.open(row["secret"], row["endpoint_id"]))
        return job

    async def ended_job(self, receiver: Receiver) -> Job:
        job = await self.job(receiver)
        await self.apply(job)
        return job

    async def apply(self, job: Job) -> None:
        assert await self.persist.ended(job.result()) == "applied"

    async def begin_run(self, job: Job, run: int) -> None:
        assert await self.persist.requested(job.request(run)) == "applied"

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self.db.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.rows("SELECT state FROM webhook_deliveries ORDER BY created_at")]

    async def attempts(self, job: Job) -> list[tuple[int, str | None, int | None]]:
        query = (
            "SELECT a.attempt, a.outcome, a.status FROM webhook_attempts a JOIN webhook_deliveries USING (delivery_id)"
            " WHERE job_id = %s ORDER BY a.attempt"
        )
        return [(r["attempt"], r["outcome"], r["status"]) for r in await self.rows(query, job.job_id)]

    async def endpoint(self, receiver: Receiver) -> UUID:
        (row,) = await self.rows("SELECT endpoint_id FROM webhook_endpoints WHERE url = %s", receiver.url)
        return UUID(str(row["endpoint_id"]))

    async def delivery(self, job: Job) -> UUID:
        (row,) = await self.rows("SELECT delivery_id FROM webhook_deliveries WHERE job_id = %s", job.job_id)
        return UUID(str(row["delivery_id"]))

    @asynccontextmanager
    async def dispatching(
        self,
        limits: DispatcherLimits = LIMITS,
        *,
        secrets: SecretBox = SECRETS,
        client: AsyncOutboundClient | None = None,
    ) -> AsyncIterator[Dispatcher]:
        """A dispatcher at work; it drains at the end."""
        stop = asyncio.Event()
        client = client or AsyncOutboundClient(OUTBOUND, "development")
        sending = Dispatcher(self.db, client, secrets, limits)
        task = asyncio.create_task(sending.run(stop))
        try:
            yield sending
        finally:
            stop.set()
            await task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():
            await asyncio.sleep(0.02)


async def has_states(world: WebhookHarness, *states: str) -> bool:
    return await world.states() == list(states)


async def tried(world: WebhookHarness, job: Job) -> bool:
    return any(outcome for _, outcome, _ in await world.attempts(job))


async def called(receiver: Receiver) -> bool:
    return bool(receiver.calls)


async def calls(receivers: list[Receiver], number: int) -> bool:
    return sum(len(receiver.calls) for receiver in receivers) == number


async def counted(world: WebhookHarness, state: str, number: int) -> bool:
    return (await world.states()).count(state) == number


async def all_delivered(world: WebhookHarness) -> bool:
    return set(await world.states()) == {"delivered"}
