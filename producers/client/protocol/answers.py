"""Errors made from answers and from failures of the network. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from ..errors import KINDS, AnswerError, AnswerLost, ClientError, ProblemError, UnexpectedAnswer, Unreachable

T = TypeVar("T")
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


def result(answer: httpx.Response, read: Callable[[httpx.Response], T]) -> T:
    """The value in an answer; raises AnswerError."""
    if not answer.is_success:
        raise error_in(answer)
    try:
        return read(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnexpectedAnswer(_unlike_ours(answer), answer.status_code) from error


def error_in(answer: httpx.Response) -> AnswerError:
    """The error that an answer is."""
    if answer.is_redirect:
        words = (
            f"{address(answer)} answered {answer.status_code} and names another address: {answer.headers['location']}"
        )
        return UnexpectedAnswer(f"{words}; the client goes to none but its own", answer.status_code)
    wait = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    try:
        return _problem(answer.json(), answer.status_code, wait)
    except (ValueError, KeyError, TypeError, AttributeError):
        return UnexpectedAnswer(_unlike_ours(answer), answer.status_code, wait)


def _problem(document: dict[str, Any], status: int, wait: float | None) -> ProblemError:
    title, detail = str(document["title"]), str(document["detail"])
    error = KINDS.get(status, ProblemError)(f"{title}: {detail}", status, wait)
    error.code, error.title, error.detail = str(document["code"]), title, detail
    error.kind, error.request_id = str(document.get("kind", "")), str(document.get("request_id", ""))
    error.errors = tuple((str(item["field"]), str(item["message"])) for item in document.get("errors", ()))
    return error


def network_failure(error: httpx.HTTPError) -> ClientError:
    """The error for a request without an answer, or with part of one."""
    reason = str(error) or type(error).__name__
    return Unreachable(reason) if isinstance(error, _NOT_CONNECTED) else AnswerLost(reason)


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, as a number or as a date; None for none."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds())


def address(answer: httpx.Response) -> str:
    """The address that answered, without its query."""
    return str(answer.url.copy_with(query=None))


def _unlike_ours(answer: httpx.Response) -> str:
    return f"{address(answer)} answered {answer.status_code}, and not as Scribe Rabbit does"
