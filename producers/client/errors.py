"""Errors that the client raises.

ClientError
  Unreachable        no connection came about: nothing was sent
  AnswerLost         the connection broke or the time was up: whether the request arrived is not known
  WaitExpired        the job has not ended within the time limit of `wait`
  AnswerError        the server answered with an error
    UnexpectedAnswer   and not as Scribe Rabbit does: a proxy, another server, a redirect
    ProblemError       with a problem document; its subclasses stand for its status
      InvalidRequest, Unauthorized, Forbidden, NotFound, Conflict, TooManyRequests, Unavailable
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models.jobs import Job


class ClientError(Exception):
    """Any error of the client."""


class Unreachable(ClientError):
    """No connection to the server, or to the proxy before it; the request was not sent."""


class AnswerLost(ClientError):
    """No whole answer; the request may have been carried out all the same."""


class WaitExpired(ClientError):
    """The job goes on: it has not ended within the time limit. `job` is how it stood last."""

    def __init__(self, job: "Job", seconds: float) -> None:
        super().__init__(f"job {job.job_id} is {job.state} after {seconds:g} s")
        self.job = job


class AnswerError(ClientError):
    """An answer that is an error: `status` of HTTP, and `retry_after` in seconds where the server named it."""

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class UnexpectedAnswer(AnswerError):
    """An answer that is none of Scribe Rabbit's."""


class ProblemError(AnswerError):
    """A problem document (RFC 9457).

    `code` is stable and for programs; `detail` says what was found and what to do about it; `kind` says whose move it
    is; `errors` are pairs of a field and its mistake; `request_id` is what the operator's logs call the request.
    """

    code: str
    kind: str
    title: str
    detail: str
    errors: tuple[tuple[str, str], ...]
    request_id: str


class InvalidRequest(ProblemError):
    """400, 413, 415, 422: the request has to be another one."""


class Unauthorized(ProblemError):
    """401: a valid key is missing."""


class Forbidden(ProblemError):
    """403: the key, or its tenant, may not do this."""


class NotFound(ProblemError):
    """404: there is no such thing, or it is kept no longer."""


class Conflict(ProblemError):
    """409: not in the state that things are in, such as the transcript of a job that runs, or has failed."""


class TooManyRequests(ProblemError):
    """429: the tenant has as many jobs waiting as it may."""


class Unavailable(ProblemError):
    """503: a part of the service is away, or too many requests of this kind run at once."""


KINDS: dict[int, type[ProblemError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    428: InvalidRequest,
    429: TooManyRequests,
    503: Unavailable,
}
