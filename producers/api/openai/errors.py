"""Errors in the shape of OpenAI's interface, which its clients turn into exceptions of their own. Pure."""

from typing import Any

from pydantic import BaseModel, Field

from schemas.errors import ERRORS, Permanent

PREFIX = "/v1"
CODES = "x-codes"
"""The member of an answer in the OpenAPI document that lists the codes of its errors."""
# what a client is to correct: other statuses are other exceptions there, and some are sent again
_STATUS: dict[int, int] = {422: 400, 415: 400}
_STATUS_OF_CODE = {"unknown_model": 404}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_PARAMETERS = {
    "unknown_model": "model",
    "model_not_allowed": "model",
    "unknown_language": "language",
    "language_required": "language",
    "not_media": "file",
}


class OpenAIErrorBody(BaseModel):
    """An error: `code` is stable and for programs, `message` describes what was found and what to do."""

    message: str = Field(examples=[Permanent("unknown_model", "'whisper-9'").message])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(examples=["model"], description="The field that it is about.")
    code: str = Field(examples=["unknown_model"])


class OpenAIError(BaseModel):
    """The answer to a request under /v1 that failed."""

    error: OpenAIErrorBody


def is_openai(path: str) -> bool:
    """Whether an address is one of OpenAI's interface."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def status_of(code: str, status: int) -> int:
    """The status of an error with a code and a status of ours."""
    return _STATUS_OF_CODE.get(code) or _STATUS.get(status, status)


def error_of(error: Permanent, message: str, status: int) -> OpenAIError:
    """The body of the answer to an error; `status` is that of `status_of`."""
    return OpenAIError(
        error=OpenAIErrorBody(message=message, type=_type_of(status), param=_parameter_of(error), code=error.code)
    )


def error_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for the OpenAPI document."""
    described: dict[int | str, dict[str, Any]] = {"default": {"description": "Any other error", "model": OpenAIError}}
    for code in (*codes, "rate_limited", "unavailable", "internal"):
        spec = ERRORS[code]
        empty = {"description": "", CODES: [], "model": OpenAIError}
        known = described.setdefault(status_of(code, spec.status), empty)
        known["description"] += f"{'; ' if known['description'] else ''}`{code}`: {spec.title}"
        known[CODES].append(code)
    return described


def error_example(code: str) -> dict[str, Any]:
    """The answer to an error with a code, for the OpenAPI document."""
    error = Permanent(code)
    return error_of(error, error.message, status_of(code, error.spec.status)).model_dump()


def _type_of(status: int) -> str:
    return "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")


def _parameter_of(error: Permanent) -> str | None:
    for found in getattr(error, "errors", ()):
        return str(found["field"])
    return "file" if error.code.startswith("media_") else _PARAMETERS.get(error.code)
