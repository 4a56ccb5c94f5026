"""Calls of operations as values: a request, and the reader of its answer."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx

T = TypeVar("T")


class Operation(Enum):
    """Every operation of the client, by its name in the OpenAPI document: method and path."""

    TRANSCRIBE = "POST", "/api/v1/transcribe"
    TRANSCRIBE_UPLOAD = "POST", "/api/v1/transcribe/upload"
    TRANSCRIBE_BULK = "POST", "/api/v1/transcribe/bulk"
    CREATE_UPLOAD = "POST", "/api/v1/uploads"
    GET_UPLOAD = "GET", "/api/v1/uploads/{upload_id}"
    WRITE_UPLOAD = "PATCH", "/api/v1/uploads/{upload_id}"
    DELETE_UPLOAD = "DELETE", "/api/v1/uploads/{upload_id}"
    PRESIGN_UPLOAD = "POST", "/api/v1/presigned-uploads"
    LIST_JOBS = "GET", "/api/v1/jobs"
    GET_JOB = "GET", "/api/v1/jobs/{job_id}"
    DELETE_JOB = "DELETE", "/api/v1/jobs/{job_id}"
    GET_TRANSCRIPT = "GET", "/api/v1/jobs/{job_id}/transcript"
    CORRECT_TRANSCRIPT = "PATCH", "/api/v1/jobs/{job_id}/transcript"
    LIST_REVISIONS = "GET", "/api/v1/jobs/{job_id}/revisions"
    GET_AUDIO = "GET", "/api/v1/jobs/{job_id}/audio"
    GET_WAITING = "GET", "/api/v1/jobs/{job_id}/waiting"
    FOLLOW_JOB = "GET", "/api/v1/jobs/{job_id}/events"
    FOLLOW_JOBS = "GET", "/api/v1/events"
    GET_ERASURE = "GET", "/api/v1/erasures/{job_id}"
    SEARCH = "GET", "/api/v1/search"
    ENHANCE = "POST", "/api/v1/enhanced-ai"
    GET_ENHANCEMENT = "GET", "/api/v1/enhanced-ai/{enhancement_id}"
    LIST_MODELS = "GET", "/api/v1/models"
    REGISTER_WEBHOOK_ENDPOINT = "POST", "/api/v1/webhooks/endpoints"
    LIST_WEBHOOK_ENDPOINTS = "GET", "/api/v1/webhooks/endpoints"
    GET_WEBHOOK_ENDPOINT = "GET", "/api/v1/webhooks/endpoints/{endpoint_id}"
    CHANGE_WEBHOOK_ENDPOINT = "PATCH", "/api/v1/webhooks/endpoints/{endpoint_id}"
    DELETE_WEBHOOK_ENDPOINT = "DELETE", "/api/v1/webhooks/endpoints/{endpoint_id}"
    GET_WEBHOOK_SECRET = "GET", "/api/v1/webhooks/endpoints/{endpoint_id}/secret"
    ROTATE_WEBHOOK_SECRET = "POST", "/api/v1/webhooks/endpoints/{endpoint_id}/rotate-secret"
    REDELIVER_WEBHOOKS = "POST", "/api/v1/webhooks/endpoints/{endpoint_id}/redeliver"
    TEST_WEBHOOK = "POST", "/api/v1/webhook/test"
    LIST_WEBHOOK_DELIVERIES = "GET", "/api/v1/webhooks/deliveries"
    GET_WEBHOOK_DELIVERY = "GET", "/api/v1/webhooks/deliveries/{delivery_id}"
    REDELIVER_WEBHOOK = "POST", "/api/v1/webhooks/deliveries/{delivery_id}/redeliver"
    CREATE_KEY = "POST", "/api/v1/keys"
    LIST_KEYS = "GET", "/api/v1/keys"
    GET_USAGE = "GET", "/api/v1/usage"
    REVOKE_KEY = "DELETE", "/api/v1/keys/{key_id}"
    LIST_DEAD_LETTERS = "GET", "/api/v1/operator/dead-letters"
    GET_DEAD_LETTER = "GET", "/api/v1/operator/dead-letters/{group}/{partition}/{offset}"
    EXPLAIN_JOB = "GET", "/api/v1/operator/jobs/{job_id}/waiting"

    @property
    def method(self) -> str:
        """The method of HTTP."""
        return self.value[0]

    def path(self, **names: UUID | str) -> str:
        """The path, with these names in it."""
        return self.value[1].format(**{name: quote(str(value), safe="") for name, value in names.items()})


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form with a file, which is opened anew for every attempt and read while it is sent."""

    fields: Mapping[str, str]
    name: str
    opened: Callable[[], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request, and what reads its answer; `answer_seconds`: more time for the answer than other calls have.

    `is_repeatable`: sending it again does nothing twice.
    """

    operation: Operation
    path: str
    read: Callable[[httpx.Response], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    form: FileForm | None = None
    answer_seconds: float | None = None
    is_repeatable: bool = False


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for JSON and queries, without those that are None."""
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value


def form_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """Values for a form, where all is text."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in plain(values).items()
    }


def json_lines(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The objects of an answer that has one a line."""
    return (json.loads(line) for line in answer.content.split(b"\n") if line.strip())
