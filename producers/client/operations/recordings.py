"""Transcripts and recordings: reading, searching and saving them."""

import os
import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import httpx

from ..errors import AnswerLost, ClientError, UnexpectedAnswer
from ..models.transcripts import Enhancement, Hit, HitPage, Transcript, TranscriptFormat
from ..protocol.answers import address, error_in
from ..protocol.calls import Call, Operation, plain
from ..protocol.retries import RECONNECTS
from ..protocol.transports import Stream
from .session import Id, Session, nothing, one

HITS = 50
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class RecordingOperations(Session):
    """Operations of what was said, and of its sound."""

    async def transcript(self, job_id: Id, *, revision: str | int | None = None) -> Transcript:
        """The transcript of a completed job; raises Conflict before its end, and with the job's error when it failed.

        `revision`: a number, or `machine` for what people have not corrected; the latest one if left out.
        """
        return await self._got(Operation.GET_TRANSCRIPT, Transcript, {"revision": revision}, job_id=job_id)

    async def transcript_file(self, job_id: Id, form: TranscriptFormat, *, revision: str | int | None = None) -> bytes:
        """The transcript of a completed job as a file."""
        operation = Operation.GET_TRANSCRIPT
        call = Call(
            operation=operation,
            path=operation.path(job_id=job_id),
            read=lambda answer: answer.content,
            query=plain({"format": str(form), "revision": revision}),
            is_repeatable=True,
        )
        return await self._sent(call)

    async def save_audio(self, job_id: Id, path: str | os.PathLike[str]) -> Path:
        """Write the recording of a job that was uploaded into a file, and return its path.

        A download that is cut goes on from there. The file has its name when it is whole; until then a part lies beside.
        """
        whole = Path(path)
        part = whole.with_name(f".{uuid4().hex}.part")  # a name that is as long as names may be leaves no room for more
        try:
            with await self._transport.perform(lambda: part.open("wb")) as file:
                await self._downloaded(job_id, file)
            await self._transport.perform(partial(part.replace, whole))
        except BaseException:  # cancelled or not, no part of a recording stays behind
            with suppress(OSError):
                part.unlink()
            raise
        return whole

    async def _downloaded(self, job_id: Id, file: BinaryIO) -> None:
        tag, total, failures, begin = "", None, 0, self._transport.now()
        while total is None or file.tell() < total:
            before = file.tell()
            try:
                async with self._transport.open(_part_call(job_id, before, tag)) as stream:
                    total = _placed(stream.answer, file)
                    tag = stream.answer.headers.get("etag", "")
                    await self._written(stream, file)
                if file.tell() == before:
                    raise AnswerLost(f"{address(stream.answer)} sent nothing of the part that was asked for")
            except ClientError as error:
                failures, begin = (1, self._transport.now()) if file.tell() > before else (failures + 1, begin)
                await self._pause(error, failures, begin, RECONNECTS)

    async def _written(self, stream: Stream, file: BinaryIO) -> None:
        async for piece in stream.pieces:
            await self._transport.perform(partial(file.write, piece))

    def search(self, text: str, *, language: str | None = None, limit: int | None = None) -> AsyncGenerator[Hit, None]:
        """The segments that say it, of the newest job first; all or up to `limit`."""
        query = {"q": text, "language": language}
        return self._listed(Operation.SEARCH, "hits", Hit, query, limit, HITS)

    async def search_page(
        self, text: str, *, language: str | None = None, limit: int = HITS, cursor: str | None = None
    ) -> HitPage:
        """One page of hits, with the words that are too common to be searched for."""
        query = {"q": text, "language": language, "limit": limit, "cursor": cursor}
        return await self._got(Operation.SEARCH, HitPage, query)

    async def enhance(
        self,
        job_id: Id,
        *,
        summarize: bool = False,
        entities: bool = False,
        llm_model: str | None = None,
        enhancement_id: Id | None = None,
        idempotency_key: str | None = None,
    ) -> Enhancement:
        """Have a transcript summarised, and entities found in it; a job that still runs is waited for."""
        wanted = {
            "transcription_job_id": job_id,
            "enable_summarization": summarize,
            "enable_entity_extraction": entities,
            "llm_model": llm_model,
            "enhancement_id": enhancement_id,
        }
        has_key = idempotency_key is not None or enhancement_id is None
        call = Call(
            operation=Operation.ENHANCE,
            path=Operation.ENHANCE.path(),
            read=one(Enhancement),
            headers={"Idempotency-Key": idempotency_key or str(uuid4())} if has_key else {},
            body=plain(wanted),
            is_repeatable=True,
        )
        return await self._sent(call)

    async def enhancement(self, enhancement_id: Id) -> Enhancement:
        """The current state of an enhancement."""
        return await self._got(Operation.GET_ENHANCEMENT, Enhancement, enhancement_id=enhancement_id)


def _part_call(job_id: Id, first: int, tag: str) -> Call[None]:
    """The call for a recording from a byte on, or for all of it when it is no longer the one with that tag."""
    headers = {"Range": f"bytes={first}-", "Accept-Encoding": "identity", **({"If-Range": tag} if tag else {})}
    operation = Operation.GET_AUDIO
    path = operation.path(job_id=job_id)
    return Call(operation=operation, path=path, read=nothing, headers=headers, is_repeatable=True)


def _placed(answer: httpx.Response, file: BinaryIO) -> int:
    """The size of the whole recording; the file is set to where the answer begins. Raises AnswerError."""
    if not answer.is_success:
        raise error_in(answer)
    if answer.status_code == 200 and (length := answer.headers.get("content-length", "")).isdecimal():
        file.seek(0)
        file.truncate()
        return int(length)
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status_code != 206 or found is None or int(found[1]) != file.tell():
        raise UnexpectedAnswer(f"{address(answer)} answered with no part that was asked for", answer.status_code)
    return int(found[2])
