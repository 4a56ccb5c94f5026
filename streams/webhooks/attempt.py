"""One attempt of a webhook: sign, post, and classify the outcome."""

import time
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import SettingsError
from schemas.wire.headers import TRACEPARENT
from schemas.wire.trace_context import current
from sink.http.client import DeliveryError, ResponseHead
from sink.http.exchange import FailureKind
from sink.webhooks.leases import DeliveryOutcome, LeasedDelivery
from sink.webhooks.secrets import SecretBox
from sink.webhooks.signature import message_id, signed_headers
from streams.webhooks.job_payload import as_failed, body_of, numbered

UNSIGNED = "unsigned"  # the outcome of an attempt that was not made: our key is wrong, not the receiver
OUR_FAULT = frozenset({UNSIGNED, str(FailureKind.PROXY)})  # outcomes that say nothing of the receiver


class Poster(Protocol):
    """HTTP client for webhooks; sink.http.client.AsyncOutboundClient is one."""

    async def post(self, url: str, body: bytes, headers: dict[str, str], *, deadline_seconds: float) -> ResponseHead:
        """Post `body` and return the response; raises DeliveryError when none comes in time."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """The outcome of an attempt, and the Retry-After of a receiver that refused it, if there was one."""

    outcome: DeliveryOutcome
    retry_after: str | None = None


async def attempt(leased: LeasedDelivery, client: Poster, secrets: SecretBox, timeout_seconds: float) -> Attempted:
    """Send a delivery once; every result, even an error, becomes an outcome."""
    try:
        opened = [secrets.open(sealed, leased.endpoint_id) for sealed in (leased.secret, *leased.old_secrets)]
    except SettingsError as error:
        return Attempted(DeliveryOutcome(outcome=UNSIGNED, error=str(error)))
    payload = leased.payload if leased.error is None else as_failed(leased.payload, leased.error)
    body = body_of(numbered(payload, leased.sequence))
    headers = signed_headers(opened, message_id(leased.delivery_id), int(time.time()), body)
    headers["content-type"] = "application/json"
    if (here := current()) is not None and here.exported:
        headers[TRACEPARENT] = here.traceparent
    try:
        answer = await client.post(leased.url, body, headers, deadline_seconds=timeout_seconds)
    except DeliveryError as error:
        return Attempted(DeliveryOutcome(outcome=str(error.kind), error=str(error)[:1000]))
    return _answered(answer)


def _answered(answer: ResponseHead) -> Attempted:
    delivered = 200 <= answer.status < 300
    outcome = DeliveryOutcome(
        outcome="delivered" if delivered else "answered",
        status=answer.status,
        answer=answer.head,
        latency_ms=answer.latency_ms,
    )
    return Attempted(outcome, None if delivered else answer.headers.get("retry-after"))
