"""The bytes of an upload on their way into the object store: part after part, so that whatever was acknowledged stays."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar
from uuid import UUID

import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from producers.api.jobs.uploads.tus import Checksum
from producers.api.services import Services
from schemas.errors import Outage, Rejected
from schemas.ports import ObjectNotFound
from schemas.wire.object_keys import tail_key, upload_key
from sink.jobs.intake import uploads
from sink.jobs.intake.uploads import UploadRow, Written

T = TypeVar("T")
PART_BYTES = 8 * 1024 * 1024
MOST_PARTS = 9_000  # a store takes 10,000; the others are for writers that did not end
CONTENT_TYPE = "application/octet-stream"


def part_size(size_bytes: int) -> int:
    """The bytes of each part of an upload but the last."""
    return max(PART_BYTES, -(-size_bytes // MOST_PARTS))


async def receive(
    request: Request, services: Services, tenant: str, upload_id: UUID, offset: int, checksum: Checksum | None
) -> UploadRow:
    """Add the body of a request to an upload, which must have come as far as `offset`, and return what it is then.

    What has come of a body that breaks off is kept; with a checksum, all of it or nothing. Raises Rejected.
    """
    writer = await _begin(request, services, tenant, upload_id, offset)
    left = writer.upload.size_bytes - offset
    hashed = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
    try:
        async for chunk in _within(request.stream(), left):
            if hashed is not None:
                hashed.update(chunk)
            await writer.add(chunk, keep=checksum is None)
    except (ClientDisconnect, _TooLong) as error:
        if checksum is None:
            await writer.end()
        what = "the connection ended before the body did" if isinstance(error, ClientDisconnect) else str(error)
        raise Rejected("media_truncated" if isinstance(error, ClientDisconnect) else "media_too_large", what) from None
    if checksum is not None and hashed is not None and not checksum.is_of(hashed):
        raise Rejected("checksum_mismatch")
    return await writer.end()


@dataclass(slots=True)
class UploadWriter:
    """The writer of an upload: the bytes of the next part, and the parts that are written and not noted yet."""

    services: Services
    upload: UploadRow
    buffer: bytearray
    received: int
    number: int
    pending: list[tuple[int, str]] = field(default_factory=list)

    async def add(self, chunk: bytes, *, keep: bool) -> None:
        """Add bytes; with `keep` each whole part is noted at once."""
        most = part_size(self.upload.size_bytes)
        view = memoryview(chunk)
        while view:
            taken = view[: most - len(self.buffer)]
            self.buffer += taken
            self.received += len(taken)
            view = view[len(taken) :]
            if len(self.buffer) == most:
                await self._put()
                await (self._save(is_end=False) if keep else self._reserve())

    async def end(self) -> UploadRow:
        """Keep what is left and note all; the last part of an upload may be small."""
        if self.buffer and self.received == self.upload.size_bytes:
            await self._put()
        is_kept = self.received == self.upload.received_bytes and self.number == self.upload.tail_number
        if self.buffer and not is_kept:
            key = tail_key(self.upload.tenant, self.upload.upload_id, self.number)
            await _in_thread(
                self.services, partial(self.services.store.put, key, bytes(self.buffer), content_type=CONTENT_TYPE)
            )
        return await self._save(is_end=True)

    async def _put(self) -> None:
        body, self.buffer = self.buffer, bytearray()
        parts_id = self.upload.parts_id or await self._begin_parts()
        key = upload_key(self.upload.tenant, self.upload.upload_id)
        try:
            tag = await _in_thread(
                self.services, partial(self.services.store.put_part, key, parts_id, self.number, body)
            )
        except ObjectNotFound:  # it was deleted, or is whole
            raise await refusal(self.services, self.upload.tenant, self.upload.upload_id) from None
        self.pending.append((self.number, tag))
        self.number += 1

    async def _begin_parts(self) -> str:
        store, key = self.services.store, upload_key(self.upload.tenant, self.upload.upload_id)
        parts_id = await _in_thread(self.services, partial(store.begin_parts, key, content_type=CONTENT_TYPE))
        async with self.services.database.as_tenant(self.upload.tenant, writing=True) as connection:
            is_named = await uploads.name_parts(connection, self.upload, parts_id)
        if not is_named:
            await _in_thread(self.services, partial(store.abort_parts, key, parts_id))
            raise await refusal(self.services, self.upload.tenant, self.upload.upload_id)
        self.upload = replace(self.upload, parts_id=parts_id)
        return parts_id

    async def _reserve(self) -> None:
        async with self.services.database.as_tenant(self.upload.tenant, writing=True) as connection:
            if not await uploads.reserve(connection, self.upload, self.number):
                raise await refusal(self.services, self.upload.tenant, self.upload.upload_id)

    async def _save(self, *, is_end: bool) -> UploadRow:
        written = Written(
            numbers=[number for number, _ in self.pending],
            tags=[tag for _, tag in self.pending],
            received_bytes=self.received,
            next_number=self.number,
            tail_bytes=len(self.buffer),
            is_end=is_end,
        )
        async with self.services.database.as_tenant(self.upload.tenant, writing=True) as connection:
            saved = await uploads.save(connection, self.upload, written)
        if saved is None:
            raise await refusal(self.services, self.upload.tenant, self.upload.upload_id)
        await self._delete_tail(saved)
        self.pending.clear()
        self.upload = saved
        return saved

    async def _delete_tail(self, saved: UploadRow) -> None:
        """Delete what was the begin of a part until now; what stays is left to the sweep."""
        number = self.upload.tail_number
        if number is not None and number != saved.tail_number:
            key = tail_key(saved.tenant, saved.upload_id, number)
            with suppress(Outage):
                await _in_thread(self.services, partial(self.services.store.delete, key))


async def _begin(request: Request, services: Services, tenant: str, upload_id: UUID, offset: int) -> UploadWriter:
    async with services.database.as_tenant(tenant, writing=True) as connection:
        known = await uploads.find(connection, tenant, upload_id)
        if known is not None and known.received_bytes == offset:  # before it takes the upload from another writer
            _check_length(request, known.size_bytes - offset)
        upload = await uploads.begin_writing(connection, tenant, upload_id, offset)
    if upload is None:
        raise await refusal(services, tenant, upload_id)
    tail = b""
    if upload.tail_number is not None:
        key = tail_key(tenant, upload_id, upload.tail_number)
        tail = await _in_thread(services, lambda: b"".join(services.store.part(key, 0, upload.tail_bytes)))
    return UploadWriter(services, upload, bytearray(tail), offset, upload.next_number)


async def refusal(services: Services, tenant: str, upload_id: UUID) -> Rejected:
    """The reason why an upload cannot be written from where a request or its writer is."""
    async with services.database.as_tenant(tenant) as connection:
        found = await uploads.find(connection, tenant, upload_id)
    if found is None or found.is_presigned:
        return Rejected("not_found", f"upload {upload_id}")
    if found.is_expired:
        return Rejected("upload_expired", f"at {found.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    return Rejected("offset_conflict", f"{found.received_bytes} of {found.size_bytes} bytes have come")


async def _in_thread(services: Services, work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work, limiter=services.upload_threads)


class _TooLong(Exception):
    """Error: a body has more bytes than the upload is to have."""


async def _within(chunks: AsyncIterator[bytes], left: int) -> AsyncIterator[bytes]:
    """The bytes of a body up to as many as are left; raises _TooLong for more."""
    async for chunk in chunks:
        if len(chunk) > left:
            yield chunk[:left]
            raise _TooLong("the body goes on where Upload-Length ends")
        left -= len(chunk)
        if chunk:
            yield chunk


def _check_length(request: Request, left: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > left:
        raise Rejected("media_too_large", f"the body has {announced} bytes, and {left} are left of Upload-Length")
