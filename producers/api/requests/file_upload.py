"""The file of a form, streamed into the object store while it arrives, and deleted there unless a job takes it."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast
from uuid import UUID, uuid4

import anyio.from_thread
import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from producers.api.jobs.operations import policy_in_force
from producers.api.requests.multipart import MAX_FIELD_BYTES, MAX_FRAME_BYTES, MultipartForm
from producers.api.services import Services
from producers.jobs.submit import UPLOAD_SCHEME
from schemas.errors import Permanent, Rejected
from schemas.events import Source
from schemas.wire.object_keys import upload_key

CODES = ("busy", "media_empty", "media_truncated", "media_too_large")  # what an operation may answer for it


@dataclass(slots=True)
class StoredFile:
    """A file in the object store; `kept` is set when a job refers to it."""

    source: Source
    kept: bool = False


@asynccontextmanager
async def stored_file(
    request: Request,
    form: MultipartForm,
    services: Services,
    tenant: str,
    admit: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[StoredFile]:
    """Read a form to its end with its file stored; at the end of the block a file that is not kept is deleted.

    `admit` is called before the file is read, when the fields before it are known, and raises what would be in vain.

    Where it is not known whether a job refers to it, since the database was lost at the commit or the request was
    cancelled in it, it stays: the sweep of orphans deletes it if none does. Raises Rejected, also when the tenant is not
    known or has as many uploads as it may.
    """
    _check_length(request, services.upload_max_bytes)
    upload_id = uuid4()
    object_key = upload_key(tenant, upload_id)
    delete = partial(anyio.to_thread.run_sync, services.store.delete, object_key)
    try:
        async with services.uploads.one(tenant):
            # before a large file comes in vain; and here, so that a thousand that wait do not ask the database first
            await policy_in_force(services, tenant)
            file = StoredFile(await _receive(request, form, services, object_key, upload_id, admit))
    except BaseException:  # a cancellation too: no job refers to it yet, whatever it was
        if form.file_begun:
            await delete()
        raise
    try:
        yield file
    except Permanent:
        await delete()
        raise
    if not file.kept:  # the same recording as before under the same job_id
        await delete()


async def _receive(
    request: Request,
    form: MultipartForm,
    services: Services,
    object_key: str,
    upload_id: UUID,
    admit: Callable[[], Awaitable[None]] | None,
) -> Source:
    chunks = request.stream()
    try:
        async for chunk in chunks:
            form.feed(chunk)
            if form.file_begun:
                break
        body = _FileBody(form, chunks)
        if admit is not None:
            await admit()
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


def _check_length(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit + MAX_FIELD_BYTES + MAX_FRAME_BYTES:
        raise Rejected("media_too_large", f"at most {limit} bytes")
