"""Recording of an attempt's outcome for its delivery and its endpoint, in one transaction."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from schemas.retries.retry_after import retry_after_seconds
from schemas.webhooks.deliveries import DeliveryState
from sink.postgres.database import Connection
from sink.postgres.sanitize import sanitize_text
from sink.webhooks.endpoint_health import disable, note_failure, note_success
from sink.webhooks.leases import LeasedDelivery, finish
from streams.webhooks.attempt import OUR_FAULT, Attempted
from streams.webhooks.retry_schedule import after_attempt, attempts_of, blocked_until, only_fails


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why an endpoint was disabled: `kind` for metrics, `text` for its owner."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The state of the delivery, None when the lease was lost; and the reason if its endpoint was disabled."""

    state: DeliveryState | None
    disabled: Reason | None = None


GONE = Reason("gone", "the receiver answered 410 Gone")


async def record(
    connection: Connection, leased: LeasedDelivery, attempted: Attempted, *, time_scale: float, failing_seconds: float
) -> Recorded:
    """Record the outcome of an attempt; `time_scale` is a factor on all delays and on `failing_seconds`."""
    now = datetime.now(UTC)
    status, wish = attempted.outcome.status, retry_after_seconds(attempted.retry_after, now)
    verdict = after_attempt(
        leased.attempt - leased.attempts_before,
        status,
        wish,
        now,
        spread=random.random(),  # noqa: S311 - spreads load, no secret
        time_scale=time_scale,
        attempts=attempts_of(leased.type),
    )
    outcome = replace(attempted.outcome, answer=sanitize_text(attempted.outcome.answer or ""))
    state = await finish(connection, leased, outcome, verdict.state, verdict.next_attempt_at)
    if state is None:
        return Recorded(state)
    if verdict.state is DeliveryState.DELIVERED:
        await note_success(connection, leased.endpoint_id)
        return Recorded(state)
    if outcome.outcome in OUR_FAULT:
        return Recorded(state)
    since = await note_failure(connection, leased.endpoint_id, now, blocked_until(status, wish, now, time_scale))
    reason = GONE if verdict.state is DeliveryState.DISABLED else None
    if reason is None and only_fails(since, now, failing_seconds * time_scale):
        reason = Reason("failing", f"every attempt since {since:%Y-%m-%d %H:%M:%S} UTC has failed")
    if reason is not None and await disable(connection, leased.endpoint_id, reason.text):
        return Recorded(state, disabled=reason)
    return Recorded(state)
