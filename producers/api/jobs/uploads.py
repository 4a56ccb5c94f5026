"""Uploads: a recording in a form, streamed into the object store while it arrives."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, cast
from uuid import UUID, uuid4

import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from producers.api.jobs.bodies import UploadFields
from producers.api.jobs.operations import REQUEST_CODES, policy_in_force, submit
from producers.api.jobs.views import JobSummary
from producers.api.problems import problem_responses
from producers.api.requests.idempotency import JOB, IdempotencyKey, chosen_id, reuse_told
from producers.api.requests.media_types import FORM, StrictRoute, check_media_type
from producers.api.requests.multipart import FILE_FIELD, MAX_FIELD_BYTES, MAX_FRAME_BYTES, MultipartForm
from producers.api.services import KeyDep, Services, ServicesDep, TraceDep
from producers.inputs.validation_errors import invalid
from producers.jobs.submit import UPLOAD_SCHEME
from schemas.errors import Rejected
from schemas.events import Source
from schemas.wire.object_keys import upload_key

PATH = "/api/v1/transcribe/upload"
_FORM_SCHEMA = UploadFields.model_json_schema(ref_template="#/components/schemas/{model}")
_FORM_SCHEMA.pop("$defs", None)
_FORM_SCHEMA["properties"][FILE_FIELD] = {"type": "string", "format": "binary", "description": "The recording."}
_FORM_SCHEMA["properties"]["metadata"] = {"type": "string", "description": "Your own notes as a JSON object."}
_FORM_SCHEMA["required"] = [FILE_FIELD]

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


@router.post(
    PATH,
    operation_id="transcribeUpload",
    summary="Transcribe a recording that comes with the request",
    status_code=202,
    responses=problem_responses(*REQUEST_CODES, "busy", "media_empty", "media_truncated", "media_too_large"),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM_SCHEMA}}}},
)
async def transcribe_upload(
    request: Request,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    trace: TraceDep,
    idempotency_key: IdempotencyKey,
) -> JobSummary:
    """A form with a `file` and the fields of /api/v1/transcribe but `url`, in any order."""
    check_media_type(request.headers, FORM)
    form = MultipartForm(request.headers["content-type"], services.upload_max_bytes, UploadFields.model_fields)
    _check_length(request, services.upload_max_bytes)
    upload_id = uuid4()
    object_key = upload_key(key.tenant, upload_id)
    kept = False
    try:
        async with services.uploads.one(key.tenant):
            # before a large file comes in vain; and here, so that a thousand that wait do not ask the database first
            await policy_in_force(services, key.tenant)
            source = await _receive(request, form, services, object_key, upload_id)
        fields = _fields(form)
        job_id = chosen_id(idempotency_key, key.tenant, JOB, fields.job_id, "job_id")
        wanted = fields.request(key.tenant, source, services.now(), job_id)
        with reuse_told(idempotency_key, JOB):
            answer = await submit(services, wanted, trace, response)
        kept = answer.source == source.uri
        return answer
    finally:
        # refused, failed, or the same recording as before under the same job_id
        if form.file_begun and not kept:
            await anyio.to_thread.run_sync(services.store.delete, object_key)


async def _receive(
    request: Request, form: MultipartForm, services: Services, object_key: str, upload_id: UUID
) -> Source:
    chunks = request.stream()
    try:
        async for chunk in chunks:
            form.feed(chunk)
            if form.file_begun:
                break
        body = _FileBody(form, chunks)
        if form.file_begun:
            await _store(services, object_key, body)
        async for chunk in chunks:
            form.feed(chunk)
    except ClientDisconnect:
        raise Rejected("media_truncated", "the connection ended before the file did") from None
    form.finish()
    if body.size_bytes == 0:
        raise Rejected("media_empty")
    return Source(
        uri=f"{UPLOAD_SCHEME}{upload_id}",
        sha256=body.digest.hexdigest(),
        size_bytes=body.size_bytes,
        name=form.file_name,
    )


class _FileBody:
    """The file of a form as a stream that a thread can read, while the event loop receives the data."""

    def __init__(self, form: MultipartForm, chunks: AsyncIterator[bytes]) -> None:
        self._form = form
        self._chunks = chunks
        self._ready = bytearray()
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the file."""
        anyio.from_thread.run(self._fill, size)
        piece = bytes(self._ready[:size] if size >= 0 else self._ready)
        del self._ready[: len(piece)]
        self.digest.update(piece)
        self.size_bytes += len(piece)
        return piece

    async def _fill(self, size: int) -> None:
        self._ready += self._form.take()
        while not self._form.file_ended and (size < 0 or len(self._ready) < size):
            chunk = await anext(self._chunks, None)
            if chunk is None:
                raise Rejected("media_truncated", "the form ends before its file does")
            self._form.feed(chunk)
            self._ready += self._form.take()


async def _store(services: Services, object_key: str, body: _FileBody) -> None:
    def put() -> None:
        services.store.put_stream(object_key, cast(BinaryIO, body), content_type="application/octet-stream")

    await anyio.to_thread.run_sync(put, limiter=services.upload_threads)


def _fields(form: MultipartForm) -> UploadFields:
    # forms have no null: an empty field is one that was left out
    given: dict[str, Any] = {name: value for name, value in form.fields.items() if value != ""}
    try:
        return UploadFields.model_validate_strings(given)
    except ValidationError as error:
        raise invalid(error, UploadFields) from error


def _check_length(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit + MAX_FIELD_BYTES + MAX_FRAME_BYTES:
        raise Rejected("media_too_large", f"at most {limit} bytes")
