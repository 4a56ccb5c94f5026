"""One call of the enhanced-AI service: posted through the outbound guard, its answer bounded, its failures named."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from schemas import metrics
from schemas.errors import Outage, Permanent, Transient
from schemas.ports import Throttled
from schemas.waits import retry_after_seconds
from sink.exchange import FailureKind
from sink.outbound import AsyncOutboundClient, DeliveryError, Whole

MAX_ANSWER_BYTES = 4_000_000
_WAIT = frozenset({408, 425, 429, 503})
_OURS_TO_MEND = frozenset({401, 403, 404, 405})  # key and address are the operator's, no transcript is to blame
_QUOTED_CHARS = 200


class Service:
    """The service at one address; `key` is its bearer token, `timeout` the longest time of a call in seconds."""

    def __init__(self, client: AsyncOutboundClient, key: str | None, timeout: float) -> None:
        self._client = client
        self._key = key
        self._timeout = timeout

    async def call(self, url: str, body: dict[str, Any], idempotency_key: str) -> Any:
        """The JSON that the service answers.

        Raises Outage when it is away or refuses our key, Throttled when it asks for patience, Permanent when it refuses
        this request, Transient for all that another try may mend: its own trouble and answers that are no JSON.
        """
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "idempotency-key": idempotency_key,
            **({"authorization": f"Bearer {self._key}"} if self._key else {}),
        }
        started = time.monotonic()
        outcome = "failed"
        try:
            answer = await self._posted(url, json.dumps(body, ensure_ascii=False).encode(), headers)
            parsed = _parsed(answer)
            outcome = "answered"
            return parsed
        except Throttled:
            outcome = "throttled"
            raise
        finally:
            metrics.ENHANCED_AI_CALLS.labels(outcome=outcome).inc()
            metrics.ENHANCED_AI_SECONDS.observe(time.monotonic() - started)

    async def _posted(self, url: str, body: bytes, headers: dict[str, str]) -> Whole:
        try:
            answer = await self._client.ask(
                url, body, headers, deadline_seconds=self._timeout, max_bytes=MAX_ANSWER_BYTES
            )
        except DeliveryError as error:
            if error.kind in (FailureKind.PROTOCOL, FailureKind.TIMEOUT):
                raise Transient(f"enhanced AI: {error}") from error
            raise Outage(f"enhanced AI: {error}") from error
        _check_status(answer)
        return answer


def _check_status(answer: Whole) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if status in _WAIT:
        wait = retry_after_seconds(answer.headers.get("retry-after"), datetime.now(UTC))
        raise Throttled(f"enhanced AI: it answered {status}", wait)
    if status in _OURS_TO_MEND or 300 <= status < 400:
        raise Outage(f"enhanced AI: it answered {status}: look at ENHANCED_AI_ENDPOINT and ENHANCED_AI_API_KEY")
    if status >= 500:
        raise Transient(f"enhanced AI: it answered {status}")
    raise Refusal(status, _message(answer))


class Refusal(Permanent):
    """The service does not take this request; `status` is what it answered."""

    def __init__(self, status: int, said: str) -> None:
        self.status = status
        super().__init__("enhancement_failed", f"it answered {status}{said}")


def _message(answer: Whole) -> str:
    """What the service says is wrong, if it says so in OpenAI's or a problem document's form."""
    try:
        body = json.loads(answer.body)
        error = body.get("error") if isinstance(body, dict) else None
        said = error.get("message") if isinstance(error, dict) else body.get("detail")
    except (ValueError, AttributeError):
        return ""
    return f": {said[:_QUOTED_CHARS]}" if isinstance(said, str) else ""


def _parsed(answer: Whole) -> Any:
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Transient("enhanced AI: its answer is compressed although asked not to")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Transient(
            f"enhanced AI: its answer is no JSON ({type(error).__name__}), {len(answer.body)} bytes"
        ) from error
