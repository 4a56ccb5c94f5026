"""Uploads in pieces over REST, by the tus protocol 1.0.0."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID, uuid4

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Request, Response

from producers.api.jobs.uploads import tus
from producers.api.jobs.uploads.receiving import receive
from producers.api.jobs.uploads.room import check_room
from producers.api.jobs.uploads.views import UploadView, path, state_headers, view
from producers.api.problems import problem_responses
from producers.api.requests.idempotency import IdempotencyKey, id_of
from producers.api.requests.ids import UploadId
from producers.api.requests.media_types import StrictRoute, check_media_type
from producers.api.services import KeyDep, Services, ServicesDep
from schemas.errors import Rejected
from schemas.events import Priority
from schemas.wire.object_keys import tail_key, upload_key
from sink.jobs.intake import uploads
from sink.jobs.intake.uploads import NewUpload, UploadRow

UPLOAD = "upload"
"""What an Idempotency-Key of a new upload makes."""
ROOM_CODES = (
    "media_empty",
    "media_too_large",
    "unknown_tenant",
    "quota_exceeded",
    "queue_too_long",
    "too_many_uploads",
)


async def _check_version(request: Request) -> None:
    tus.check_version(request.headers)


Resumable = Annotated[
    str | None,
    Header(alias=tus.RESUMABLE, description=f"The version of the protocol: {tus.VERSION}.", examples=[tus.VERSION]),
]


def _size(name: str, what: str) -> Any:
    return Header(alias=name, description=what, pattern=tus.WRITTEN_BYTES, examples=["1048576"])


router = APIRouter(prefix=tus.PATH, tags=["uploads"], route_class=StrictRoute, dependencies=[Depends(_check_version)])


@router.post(
    "",
    operation_id="createUpload",
    summary="Begin an upload that comes in pieces",
    status_code=201,
    responses=problem_responses(
        "invalid_request", "unauthorized", "unsupported_version", "idempotency_key_reused", *ROOM_CODES
    ),
)
async def create_upload(
    request: Request,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    idempotency_key: IdempotencyKey,
    _length: Annotated[str, _size(tus.LENGTH, "The bytes of the whole file.")],
    _metadata: Annotated[
        str | None,
        Header(
            alias=tus.METADATA,
            description="Names with values in base64: `filename`, and `priority` of the job that is to come.",
            examples=["filename Y2FsbC0xNy5vcHVz"],
        ),
    ] = None,
    _version: Resumable = None,
) -> UploadView:
    """tus 1.0.0: `Location` is where its pieces go by PATCH. Make a job of it by POST /api/v1/transcribe."""
    metadata = tus.read_metadata(request.headers)
    upload = NewUpload(
        upload_id=uuid4() if idempotency_key is None else id_of(key.tenant, UPLOAD, idempotency_key),
        tenant=key.tenant,
        name=metadata.name,
        metadata=metadata.text,
        size_bytes=tus.read_bytes(request.headers, tus.LENGTH),
        is_presigned=False,
    )
    created = await announced(services, upload, express=metadata.priority == Priority.EXPRESS.value)
    response.headers.update(state_headers(created))
    response.headers["Location"] = path(created.upload_id)
    return view(created)


@router.get(
    "/{upload_id}",
    operation_id="getUpload",
    summary="How far an upload is",
    responses=problem_responses(
        "invalid_request", "unauthorized", "not_found", "upload_expired", "unsupported_version"
    ),
)
async def read_upload(
    upload_id: UploadId, response: Response, services: ServicesDep, key: KeyDep, _version: Resumable = None
) -> UploadView:
    """Clients of tus ask with HEAD, and go on at `Upload-Offset`."""
    async with services.database.as_tenant(key.tenant) as connection:
        upload = await uploads.find(connection, key.tenant, upload_id)
    if upload is None:
        raise _unknown(upload_id)
    if upload.is_expired:
        raise Rejected("upload_expired", f"at {upload.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    response.headers.update(state_headers(upload))
    response.headers["Cache-Control"] = "no-store"
    return view(upload)


@router.patch(
    "/{upload_id}",
    operation_id="writeUpload",
    summary="Send a piece of an upload",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problem_responses(
        *("invalid_request", "unauthorized", "not_found", "offset_conflict", "upload_expired", "unsupported_version"),
        *("unsupported_media_type", "unknown_checksum", "checksum_mismatch"),
        *("media_too_large", "media_truncated", "busy"),
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The bytes from `Upload-Offset` on, as many as you like.",
            "content": {tus.PIECE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def write_upload(
    request: Request,
    upload_id: UploadId,
    services: ServicesDep,
    key: KeyDep,
    _offset: Annotated[str, _size(tus.OFFSET, "How much of the file came before.")],
    _checksum: Annotated[
        str | None,
        Header(
            alias=tus.CHECKSUM,
            description=f"Of this piece: {' or '.join(tus.ALGORITHMS)}, a blank, and the digest in base64.",
            examples=["sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="],
        ),
    ] = None,
    _version: Resumable = None,
) -> Response:
    """Sends as much as you like of it: the bytes before a lost connection are kept, with a checksum the whole piece or none."""
    check_media_type(request.headers, tus.PIECE)
    offset, checksum = tus.read_bytes(request.headers, tus.OFFSET), tus.read_checksum(request.headers)
    async with services.uploads.one(key.tenant):
        upload = await receive(request, services, key.tenant, upload_id, offset, checksum)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=state_headers(upload))


@router.delete(
    "/{upload_id}",
    operation_id="deleteUpload",
    summary="End an upload and delete what has come of it",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problem_responses("invalid_request", "unauthorized", "not_found", "unsupported_version"),
)
async def delete_upload(
    upload_id: UploadId, services: ServicesDep, key: KeyDep, _version: Resumable = None
) -> Response:
    """A job that was made of it keeps its recording."""
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        upload = await uploads.delete(connection, key.tenant, upload_id)
        is_used = await uploads.is_used(connection, key.tenant, upload_id)
    if upload is None:
        raise _unknown(upload_id)
    await anyio.to_thread.run_sync(partial(_erase, services, upload, is_used=is_used), limiter=services.upload_threads)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def announced(services: Services, upload: NewUpload, *, express: bool) -> UploadRow:
    """A new upload, or the one that the same request made before; raises what is known to be wrong before a byte comes."""
    if upload.size_bytes == 0:
        raise Rejected("media_empty")
    if upload.size_bytes > services.upload_max_bytes:
        raise Rejected("media_too_large", f"at most {services.upload_max_bytes} bytes")
    async with services.database.as_tenant(upload.tenant) as connection:
        known = await uploads.find(connection, upload.tenant, upload.upload_id)
    if known is None:  # what was announced once is told again, however many jobs wait
        await check_room(services, upload.tenant, express=express)
    most = services.upload_max_unfinished
    async with services.database.as_tenant(upload.tenant, writing=True) as connection:
        created = await uploads.create(connection, upload, services.upload_life, most)
    if created is None:
        raise Rejected("too_many_uploads", f"at most {most}")
    same = (created.size_bytes, created.metadata, created.name, created.is_presigned)
    if same != (upload.size_bytes, upload.metadata, upload.name, upload.is_presigned):
        raise Rejected("idempotency_key_reused", "the upload that it made is another one")
    if created.is_expired:
        raise Rejected("upload_expired", f"at {created.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    return created


def _erase(services: Services, upload: UploadRow, *, is_used: bool) -> None:
    store, key = services.store, upload_key(upload.tenant, upload.upload_id)
    if upload.parts_id is not None and upload.completed_at is None:
        store.abort_parts(key, upload.parts_id)
    if upload.tail_number is not None:
        store.delete(tail_key(upload.tenant, upload.upload_id, upload.tail_number))
    if not is_used:
        store.delete(key)


def _unknown(upload_id: UUID) -> Rejected:
    return Rejected("not_found", f"upload {upload_id}")
