"""Dispatchers that break one promise each on purpose: a checker that does not see it proves nothing."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import streams.webhooks.attempt
import streams.webhooks.record_attempt
from schemas.settings.outbound import OutboundSettings
from schemas.webhooks.deliveries import DeliveryState
from sink.http.client import AsyncOutboundClient, ResponseHead
from sink.postgres.database import Connection, Database
from sink.webhooks.leases import LeasedDelivery
from sink.webhooks.secrets import SecretBox
from sink.webhooks.signature import message_id, signed_headers
from streams.runtime.lease_worker import Leaser
from streams.webhooks.attempt import attempt
from streams.webhooks.dispatcher import Deliveries, DispatcherLimits
from streams.webhooks.retry_schedule import RetryDecision

LIMITS = DispatcherLimits(
    call_seconds=30,
    lease_seconds=60,
    poll_seconds=0.02,
    sweep_seconds=0.02,
    pause_seconds=0.05,
    time_scale=1e-7,
    failing_seconds=1e15,
)


class Sound(Deliveries):
    """As it should be."""


class ForgetsOutcomes(Deliveries):
    """Sends, and writes nothing down of every third attempt."""

    count = itertools.count()

    async def do(self, job: LeasedDelivery) -> None:
        if next(self.count) % 3:
            await super().do(job)
        else:
            await attempt(job, self._client, self._secrets, self._limits.call_seconds)


class SendsAfterDelivered(Deliveries):
    """Sends everything once more when all is written."""

    async def do(self, job: LeasedDelivery) -> None:
        await super().do(job)
        await asyncio.sleep(0.01)
        await attempt(job, self._client, self._secrets, self._limits.call_seconds)


class LosesLeases(Deliveries):
    """Works on when its leases have long run out."""

    async def do(self, job: LeasedDelivery) -> None:
        async with self._database.transaction() as connection:
            await connection.execute("UPDATE webhook_deliveries SET lease_until = now() WHERE lease_token IS NOT NULL")
        await asyncio.sleep(0.05)
        await super().do(job)


class DropsRows(Deliveries):
    """Deletes what it has no mind to send."""

    async def do(self, job: LeasedDelivery) -> None:
        if job.sequence == 3:
            async with self._database.transaction() as connection:
                await connection.execute("DELETE FROM webhook_deliveries WHERE delivery_id = %s", [job.delivery_id])
        else:
            await super().do(job)


class SwapsNumbers(Deliveries):
    """Gives an order number twice."""

    async def do(self, job: LeasedDelivery) -> None:
        await super().do(job)
        async with self._database.transaction() as connection:
            await connection.execute("UPDATE webhook_deliveries SET sequence = 2 WHERE sequence = 3")


class IgnoresTheGate(Deliveries):
    """Sends what persist has not applied."""

    async def sweep(self, connection: Connection) -> None:
        await connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE next_attempt_at IS NULL")
        await super().sweep(connection)


class PostsTwice(AsyncOutboundClient):
    """A client that repeats what was taken."""

    async def post(self, url: str, body: bytes, headers: Any, *, deadline_seconds: float) -> ResponseHead:
        await super().post(url, body, headers, deadline_seconds=deadline_seconds)
        return await super().post(url, body, headers, deadline_seconds=deadline_seconds)


class TakesErrorsForSuccess(AsyncOutboundClient):
    """A client to which every answer is a good one."""

    async def post(self, url: str, body: bytes, headers: Any, *, deadline_seconds: float) -> ResponseHead:
        answer = await super().post(url, body, headers, deadline_seconds=deadline_seconds)
        return replace(answer, status=200)


def _signed_wrongly(secrets: Any, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    return signed_headers(secrets, message, timestamp, body + b" ")


def _given_up(attempt: int, status: int | None, *_: Any, **__: Any) -> RetryDecision:
    return RetryDecision(
        DeliveryState.DELIVERED
        if status and status < 300
        else DeliveryState.DISABLED
        if status == 410
        else DeliveryState.EXHAUSTED
    )


def _never_again(attempt: int, status: int | None, *_: Any, **__: Any) -> RetryDecision:
    if status and status < 300:
        return RetryDecision(DeliveryState.DELIVERED)
    return RetryDecision(DeliveryState.PENDING, datetime.now(UTC) + timedelta(days=365))


async def _nothing(*_: Any) -> bool:
    return False


@dataclass(frozen=True)
class Bug:
    """A mistake, and the promises that it must be seen to break; events stay gated for `gated_seconds`."""

    promises: tuple[str, ...]
    deliveries: type[Deliveries] = Sound
    client: type[AsyncOutboundClient] = AsyncOutboundClient
    module: Any = None
    name: str = ""
    instead: Callable[..., Any] | None = None
    gated_seconds: float = 0

    @contextmanager
    def planted(self) -> Iterator[None]:
        """While the context lasts."""
        if self.instead is None:
            yield
        else:
            with patch.object(self.module, self.name, self.instead):
                yield

    def leaser(self, database: Database, settings: OutboundSettings, secrets: SecretBox) -> Leaser[LeasedDelivery]:
        """The dispatcher with the mistake."""
        work = self.deliveries(database, self.client(settings, "development"), secrets, LIMITS)
        return Leaser(database, work, LIMITS)


SOUND = Bug(())
_BOUND = "duplicates and open attempts are no more than kills can leave"
BUGS = {
    "forgets outcomes": Bug((_BOUND,), ForgetsOutcomes),
    "loses leases": Bug((_BOUND,), LosesLeases),
    "sends after delivered": Bug(("nothing is sent after it was recorded as delivered",), SendsAfterDelivered),
    "posts twice": Bug(
        (
            "the ledger holds every call, and its answers are those given",
            "every duplicate follows an attempt whose end is unknown",
        ),
        client=PostsTwice,
    ),
    "takes errors for success": Bug(
        ("what is called delivered was taken, with a valid signature",), client=TakesErrorsForSuccess
    ),
    "a new id at every attempt": Bug(
        ("every call bears the one id of its event and endpoint",),
        module=streams.webhooks.attempt,
        name="message_id",
        instead=lambda _: message_id(uuid4()),
    ),
    "signs another body": Bug(
        ("every signature verifies",), module=streams.webhooks.attempt, name="signed_headers", instead=_signed_wrongly
    ),
    "gives up at once": Bug(
        ("every end is one that its attempts account for",),
        module=streams.webhooks.record_attempt,
        name="after_attempt",
        instead=_given_up,
    ),
    "never tries again": Bug(
        ("every pair ends delivered, exhausted or disabled",),
        module=streams.webhooks.record_attempt,
        name="after_attempt",
        instead=_never_again,
    ),
    "ignores 410": Bug(
        ("410 disables an endpoint, and nothing else does",),
        module=streams.webhooks.record_attempt,
        name="disable",
        instead=_nothing,
    ),
    "drops rows": Bug(("nothing is lost",), DropsRows),
    "gives numbers twice": Bug(("order numbers of an endpoint have no gaps",), SwapsNumbers),
    "ignores the gate": Bug(("nothing comes before its result can be read",), IgnoresTheGate, gated_seconds=0.3),
}
