"""Uploads in pieces, which go on where a connection was lost, and presigned ones."""

import base64
import hashlib
import os
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal
from uuid import uuid4

from ..errors import AnswerLost, ClientError, Conflict, ProblemError
from ..models.uploads import PresignedUpload, Upload
from ..protocol.calls import Call, Operation, plain
from ..protocol.retries import RECONNECTS
from .session import Id, Session, nothing, one

TUS = {"Tus-Resumable": "1.0.0"}
PIECE_BYTES = 16 * 1024 * 1024
RESUMABLE_BYTES = 64_000_000
"""Size from which files are sent in pieces."""
EXPIRED, ELSEWHERE = "upload_expired", "offset_conflict"
Priority = Literal["standard", "express"]
Progress = Callable[[int, int], object]
"""Called with the bytes that have come, and those of the whole file."""


class UploadOperations(Session):
    """Operations of uploads that are made into jobs later."""

    async def create_upload(
        self,
        size_bytes: int,
        *,
        name: str | None = None,
        priority: Priority | None = None,
        idempotency_key: str | None = None,
    ) -> Upload:
        """Begin an upload in pieces; refused when a job of that priority would be."""
        given = {"filename": name, "priority": priority}
        metadata = ",".join(f"{key} {_encoded(value)}" for key, value in given.items() if value)
        return await self._sent(
            Call(
                operation=Operation.CREATE_UPLOAD,
                path=Operation.CREATE_UPLOAD.path(),
                read=one(Upload),
                headers={
                    **TUS,
                    "Upload-Length": str(size_bytes),
                    "Idempotency-Key": idempotency_key or str(uuid4()),
                    **({"Upload-Metadata": metadata} if metadata else {}),
                },
                is_repeatable=True,
            )
        )

    async def upload_state(self, upload_id: Id) -> Upload:
        """An upload, and how much of it has come."""
        return await self._got(Operation.GET_UPLOAD, Upload, upload_id=upload_id)

    async def write_upload(self, upload_id: Id, offset: int, piece: bytes) -> int:
        """Send a piece, and return how much has come then; raises Conflict when another amount came before.

        It is not sent again: when its answer is lost, `upload_state` tells whether it came.
        """
        operation = Operation.WRITE_UPLOAD
        return await self._sent(
            Call(
                operation=operation,
                path=operation.path(upload_id=upload_id),
                read=lambda answer: int(answer.headers["upload-offset"]),
                headers={**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
                content=piece,
            )
        )

    async def delete_upload(self, upload_id: Id) -> None:
        """End an upload, and delete what has come of it; a job that was made of it keeps its recording."""
        operation = Operation.DELETE_UPLOAD
        await self._sent(Call(operation=operation, path=operation.path(upload_id=upload_id), read=nothing, headers=TUS))

    async def presign_upload(
        self,
        size_bytes: int,
        *,
        name: str | None = None,
        priority: Priority | None = None,
        idempotency_key: str | None = None,
    ) -> PresignedUpload:
        """An address of the object store for a file of that size; raises InvalidRequest where the service offers none."""
        operation = Operation.PRESIGN_UPLOAD
        return await self._sent(
            Call(
                operation=operation,
                path=operation.path(),
                read=one(PresignedUpload),
                headers={"Idempotency-Key": idempotency_key or str(uuid4())},
                body=plain({"size_bytes": size_bytes, "name": name, "priority": priority}),
                is_repeatable=True,
            )
        )

    async def _pieces_sent(
        self, file: BinaryIO, size: int, key: str | None, progress: Progress | None, **options: str | None
    ) -> Upload:
        """Send a file, or what has not come of the upload that the same key has begun; over cuts of the connection."""
        try:
            upload = await self.create_upload(size, idempotency_key=key, **options)  # type: ignore[arg-type]
        except ProblemError as error:
            if error.code != EXPIRED:
                raise
            upload = await self.create_upload(size, **options)  # type: ignore[arg-type]
        offset, failures, begin = upload.received_bytes, 0, self._transport.now()
        while offset < size:
            if progress is not None:
                progress(offset, size)
            try:
                if failures:
                    offset = (await self.upload_state(upload.upload_id)).received_bytes
                await self._transport.perform(partial(file.seek, offset))
                piece = await self._transport.perform(partial(file.read, min(PIECE_BYTES, size - offset)))
                if not piece:
                    raise OSError("the file has become shorter while it was sent")
                offset, failures = await self.write_upload(upload.upload_id, offset, piece), 0
                begin = self._transport.now()
            except ClientError as error:
                failures += 1
                await self._pause(_passing(error), failures, begin, RECONNECTS)
        if progress is not None:
            progress(size, size)
        return upload


def _passing(error: ClientError) -> ClientError:
    """The error by which it is judged whether to go on: when more has come than was heard, that answer was lost."""
    if isinstance(error, Conflict) and error.code == ELSEWHERE:
        return AnswerLost(str(error))
    return error


def resume_key(file: str | os.PathLike[str]) -> str:
    """A key of what a file holds now, by which a program that starts anew finds the upload that it had begun."""
    path = Path(file).resolve()
    found = path.stat()
    known = "\n".join((platform.node(), str(path), str(found.st_size), str(found.st_mtime_ns)))
    return hashlib.sha256(known.encode(errors="surrogateescape")).hexdigest()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode(errors="replace")).decode()
