"""One call of the enhanced-AI service: posted through the outbound guard, answer bounded, errors classified."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from schemas import metrics
from schemas.errors import Outage, Permanent, ScribeError, Transient
from schemas.ports import Throttled
from sink.enhanced_ai.verdicts import Misconfigured, failure_of_exchange, failure_of_status
from sink.http.client import AsyncOutboundClient, DeliveryError, FullResponse
from sink.postgres.sanitize import sanitize_for_postgres

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 4_000_000


class EnhancedAiEndpoint:
    """The service at one address; `key` is its bearer token, `timeout` the longest time of a call in seconds."""

    def __init__(self, client: AsyncOutboundClient, key: str | None, timeout: float) -> None:
        self._client = client
        self._key = key
        self._timeout = timeout

    async def call(self, url: str, body: dict[str, Any], idempotency_key: str) -> Any:
        """The JSON that the service returns.

        Raises Outage when it is away or rejects our credentials, Throttled when it asks to wait, Permanent when it
        refuses this request, Transient for anything that a retry may fix: its own errors and answers that are not JSON.
        """
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "idempotency-key": idempotency_key,
            **({"authorization": f"Bearer {self._key}"} if self._key else {}),
        }
        started = time.monotonic()
        outcome = "broken_off"  # by the end of this process
        try:
            answer = await self._posted(url, bytes_of(body), headers)
            _check(answer, body.get("model"))
            parsed = _parsed(answer)
            outcome = "answered"
            return parsed
        except ScribeError as error:
            outcome = _outcome(error)
            raise
        finally:
            metrics.ENHANCED_AI_CALLS.labels(outcome=outcome).inc()
            metrics.ENHANCED_AI_SECONDS.observe(time.monotonic() - started)

    async def _posted(self, url: str, body: bytes, headers: dict[str, str]) -> FullResponse:
        try:
            return await self._client.ask(
                url, body, headers, deadline_seconds=self._timeout, max_bytes=MAX_ANSWER_BYTES
            )
        except DeliveryError as error:
            raise failure_of_exchange(error) from error


def bytes_of(value: dict[str, Any]) -> bytes:
    """A request as canonical bytes: equal values give equal bytes, whatever text they contain."""
    return json.dumps(sanitize_for_postgres(value), ensure_ascii=False, separators=(",", ":")).encode()


def _check(answer: FullResponse, model: str | None) -> None:
    failure = failure_of_status(answer.status, answer.headers, answer.body, datetime.now(UTC), model)
    if isinstance(failure, Misconfigured):
        log.error("%s", failure)
    if failure is not None:
        raise failure


def _parsed(answer: FullResponse) -> Any:
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Transient("enhanced AI: its answer is compressed although asked not to")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Transient(
            f"enhanced AI: its answer is no JSON ({type(error).__name__}), {len(answer.body)} bytes"
        ) from error


def _outcome(error: ScribeError) -> str:
    kinds = ((Throttled, "throttled"), (Misconfigured, "misconfigured"), (Outage, "away"), (Permanent, "refused"))
    return next((name for kind, name in kinds if isinstance(error, kind)), "failed")
