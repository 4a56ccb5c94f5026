"""Classification of failed answers: who is at fault, and whether to wait, retry or give up. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.errors import Outage, Permanent, ScribeError, Transient
from schemas.ports import Throttled
from schemas.retries.retry_after import retry_after_seconds
from sink.http.exchange import ExchangeFailed, FailureKind

# key, bill and address are the operator's; no transcript is to blame, and none is given up for them
_OPERATORS = frozenset({401, 402, 403, 404, 405, 407})
_AWAY = frozenset({502, 503})  # nobody behind the gateway
# 409: an earlier try under the same Idempotency-Key is still being answered
_AGAIN = frozenset({408, 409, 425})
_PATIENCE = frozenset({429, 529})
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SAID_CHARS = 2000


class Misconfigured(Outage):
    """The service rejects our credentials or address: the operator's settings are wrong."""


class ServiceRefusal(Permanent):
    """The service refuses this request; `said` is its message, read by code and never shown to users."""

    def __init__(self, status: int, said: str, codes: tuple[str, ...] = ()) -> None:
        self.status = status
        self.said = said
        # its words may repeat the transcript, which belongs in no log; identifiers cannot
        known = f" ({', '.join(codes)})" if codes else ""
        super().__init__("enhancement_failed", f"it answered {status}{known}")


def failure_of_status(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, model: str | None
) -> ScribeError | None:
    """The error for an HTTP status, None for success; `model` is the model that was called."""
    if 200 <= status < 300:
        return None
    message = f"enhanced AI: it answered {status}"
    wait = retry_after_seconds(headers.get("retry-after"), now)
    if status in _PATIENCE or (status in _AWAY and wait is not None):
        return Throttled(message, wait)
    if status in _AWAY:
        return Outage(message)
    if status in _AGAIN or status >= 500:
        return Transient(message)
    said, codes = _said(body)
    # one wrong name in a list of models must not hold up those who ask for another one
    if 300 <= status < 400 or (status in _OPERATORS and not (status == 404 and model and model in said)):
        return Misconfigured(f"{message}: look at ENHANCED_AI_ENDPOINT and ENHANCED_AI_API_KEY")
    return ServiceRefusal(status, said, codes)


def failure_of_exchange(error: ExchangeFailed) -> Outage | Transient:
    """The error for an exchange without a response.

    A failure before the request was sent is the service's fault. One after it may be caused by the transcript: it
    counts as an attempt, so that a transcript that crashes the service is not retried for ever.
    """
    if error.sent and error.kind in (FailureKind.PROTOCOL, FailureKind.TIMEOUT, FailureKind.BROKEN):
        return Transient(f"enhanced AI: {error}")
    return Outage(f"enhanced AI: {error}")


def _said(body: bytes) -> tuple[str, tuple[str, ...]]:
    """The message and the identifiers of an error in OpenAI's form, a problem document or a similar form."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", ()
    error = found.get("error", found) if isinstance(found, dict) else {}
    if isinstance(error, str):
        return error[:_SAID_CHARS], ()
    if not isinstance(error, dict):
        return "", ()
    words = [error.get(name) for name in ("message", "detail", "param")]
    codes = [error.get(name) for name in ("code", "type")]
    said = " ".join(word for word in words if isinstance(word, str))
    return said[:_SAID_CHARS], tuple(code for code in codes if isinstance(code, str) and _CODE.fullmatch(code))
