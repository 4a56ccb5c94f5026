"""The operation that plays a job's recording: parts of an upload from the object store, as they are asked for."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from producers.api.http.middleware import IS_HEAD
from producers.api.jobs.views import name_of
from producers.api.problems import Worded, problem_responses
from producers.api.requests.byte_range import ByteRange, Unsatisfiable, wanted_range
from producers.api.requests.conditional import IF_NONE_MATCH, is_known
from producers.api.requests.disposition import attachment
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep
from producers.api.web.media_kind import HEAD_BYTES, KINDS, MediaKind, kind_of
from producers.jobs.submit import UPLOAD_SCHEME
from schemas.errors import Rejected
from schemas.ports import ObjectNotFound, ObjectStore
from schemas.wire.object_keys import upload_key
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.postgres.database import Connection

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)
# sent for a range without an end: a player asks again, and holds no connection while it waits
PART_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 256 * 1024  # in memory at a time
_RECORDING = {kind.content_type: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An upload as it lies in the object store."""

    key: str
    size: int
    kind: MediaKind
    tag: str

    @property
    def etag(self) -> str:
        """The tag as headers have it."""
        return f'"{self.tag}"'


@router.get(
    "/jobs/{job_id}/audio",
    operation_id="getAudio",
    summary="The recording of a job that was uploaded",
    response_class=Response,
    responses={
        200: {"description": "The whole recording", "content": _RECORDING},
        206: {"description": "The part that Range asks for, or its beginning", "content": _RECORDING},
        304: {"description": "It is the one that If-None-Match names"},
        **problem_responses("invalid_request", "unauthorized", "not_found", "range_not_satisfiable", "busy"),
    },
)
async def read_audio(
    job_id: JobId,
    request: Request,
    services: ServicesDep,
    key: KeyDep,
    _range: Annotated[
        str | None, Header(alias="Range", description="One range of bytes.", examples=["bytes=0-1023"])
    ] = None,
) -> Response:
    """For players: one range of bytes at a time, of an open range at most 8 MB.

    404 for a recording that lies at an address of its own, and for one whose time is over.
    """

    async def read(connection: Connection) -> JobRow | None:
        return await queries.find(connection, job_id, key.tenant)

    job = await services.reading.run(key.tenant, read, settled=lambda found: found is not None)
    if job is None:
        raise Rejected("not_found", f"job {job_id}")
    async with services.listeners.one(key.tenant):
        recording = await _recording(services.store, job)
    name = name_of(job) or str(job_id)
    headers = {
        "ETag": recording.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Disposition": attachment(name, recording.kind.extension_of(name)),
    }
    given = request.headers
    if is_known(given.getlist(IF_NONE_MATCH), recording.tag):
        return Response(status_code=304, headers=headers)
    try:
        wanted = wanted_range(given.get("range"), given.get("if-range"), recording.etag, recording.size)
    except Unsatisfiable:
        raise _NoSuchPart(recording.size) from None
    part = wanted.at_most(PART_BYTES) if wanted else ByteRange(0, recording.size - 1)
    headers["Content-Length"] = str(part.size)
    if wanted:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{recording.size}"
    status, media_type = 206 if wanted else 200, recording.kind.content_type
    if request.scope[IS_HEAD]:
        return Response(status_code=status, headers=headers, media_type=media_type)
    pieces = _pieces(services, key.tenant, recording, part)
    first = await anext(pieces)  # what keeps it from being read is an answer of its own
    return StreamingResponse(_behind(first, pieces), status, headers, media_type)


class _NoSuchPart(Rejected):
    """Error: the recording ends before the range begins; the answer's headers say where."""

    def __init__(self, size: int) -> None:
        self.headers = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
        super().__init__("range_not_satisfiable", f"it has {size} bytes")


async def _recording(store: ObjectStore, job: JobRow) -> StoredUpload:
    """The job's upload; raises Rejected(not_found) when it is at a foreign address or deleted."""
    source = job.request["source"]
    uri: str = source["uri"]
    if not uri.startswith(UPLOAD_SCHEME):
        raise Worded("not_found", "The recording lies at an address of its own, and no copy of it is kept here.")
    upload_id = UUID(uri.removeprefix(UPLOAD_SCHEME))
    key = upload_key(job.tenant, upload_id)

    def look() -> StoredUpload | None:
        info = store.info(key)
        if info is None:
            return None
        head = b"".join(store.part(key, 0, min(HEAD_BYTES, info.size_bytes)))
        # an upload never changes, and another one has another id
        return StoredUpload(key, info.size_bytes, kind_of(head), source.get("sha256") or upload_id.hex)

    try:
        found = await anyio.to_thread.run_sync(look)
    except ObjectNotFound:
        found = None
    if found is None or found.size == 0:
        raise Worded(
            "not_found", "The recording was deleted when its time was over; what was heard in it may still be there."
        )
    return found


async def _pieces(
    services: Services, tenant: str, recording: StoredUpload, part: ByteRange
) -> AsyncGenerator[bytes, None]:
    """The bytes of a part, each piece read when the client has taken the one before; only reading takes a place."""
    for first in range(part.first, part.last + 1, PIECE_BYTES):
        size = min(PIECE_BYTES, part.last + 1 - first)
        async with services.listeners.one(tenant):
            piece = await anyio.to_thread.run_sync(_read, services.store, recording.key, first, size)
        yield piece


def _read(store: ObjectStore, key: str, first: int, size: int) -> bytes:
    return b"".join(store.part(key, first, size))


async def _behind(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in others:
        yield piece
