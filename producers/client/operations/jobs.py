"""Jobs: submitting, listing, reading, cancelling and erasing them."""

import json
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Unpack
from uuid import uuid4

from ..models.jobs import Erasure, Job, JobBody, JobFilters, JobOptions, LineOutcome, Model, Waiting
from ..protocol.calls import Call, FileForm, Operation, form_fields, json_lines, plain
from .session import Id, one
from .uploads import RESUMABLE_BYTES, Progress, UploadOperations, resume_key

PAGE = 100
ANSWER_SECONDS = 300.0  # the service answers when the object store has the file, or the database every line
MOST_LINES, MOST_BYTES = 1000, 2 * 1024 * 1024  # in one request


class JobOperations(UploadOperations):
    """Operations of jobs."""

    async def submit(self, url: str, *, idempotency_key: str | None = None, **options: Unpack[JobOptions]) -> Job:
        """The job of a recording that lies at an address; it is durable when this returns.

        Sent again by the client when the answer was lost, under the same Idempotency-Key: there is one job. One of your
        own, or a `job_id`, makes your own repeats harmless too.
        """
        body = plain({"url": url, **options})
        return await self._sent(_submission(Operation.TRANSCRIBE, one(Job), idempotency_key, options, body=body))

    async def submit_uploaded(
        self, upload_id: Id, *, idempotency_key: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """The job of an upload in pieces, or of a presigned one, that has come whole."""
        body = plain({"upload_id": upload_id, **options})
        call = _submission(
            Operation.TRANSCRIBE, one(Job), idempotency_key, options, body=body, answer_seconds=ANSWER_SECONDS
        )
        return await self._sent(call)

    async def upload(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        resumable_bytes: int = RESUMABLE_BYTES,
        progress: Progress | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """The job of a recording that is sent, read from the disk meanwhile; `name` is what it is called there.

        A file of `resumable_bytes` and more goes in pieces: over lost connections, and for a path from where an earlier
        try ended, also of another run of the program; `progress` is called with the bytes that have come, and all. A file
        that is open already is read from its beginning; one that cannot seek from where it is, and sent once.
        """
        opened, called, can_repeat = _opening(file)
        if can_repeat:
            with await self._transport.perform(opened) as content:
                size = await self._transport.perform(partial(content.seek, 0, os.SEEK_END))
                if size >= max(1, resumable_bytes):
                    key = resume_key(file) if isinstance(file, str | os.PathLike) else None
                    priority = options.get("priority")
                    sent = await self._pieces_sent(content, size, key, progress, name=name or called, priority=priority)
                    return await self.submit_uploaded(sent.upload_id, idempotency_key=idempotency_key, **options)
                await self._transport.perform(partial(content.seek, 0))
        form = FileForm(form_fields(options), name or called, opened)
        call = _submission(
            Operation.TRANSCRIBE_UPLOAD, one(Job), idempotency_key, options, form=form, can_repeat=can_repeat
        )
        return await self._sent(call)

    async def submit_many(
        self, jobs: Iterable[JobBody | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> AsyncGenerator[LineOutcome, None]:
        """The outcome of each of any number of jobs, in their order; one that is refused keeps no other from its place.

        Up to 1,000 go in one request. The same jobs in the same order with the same key are the same jobs.
        """
        key, before = idempotency_key or str(uuid4()), 0
        for number, lines in enumerate(_parts(jobs)):
            for outcome in await self.submit_lines(b"\n".join(lines), idempotency_key=f"{key}-{number}"):
                yield LineOutcome({**outcome.raw, "line": before + outcome.line})
            before += len(lines)

    async def submit_lines(self, lines: bytes, *, idempotency_key: str | None = None) -> list[LineOutcome]:
        """The outcomes of one request of NDJSON, up to 1,000 lines and 2 MB."""
        call = Call(
            operation=Operation.TRANSCRIBE_BULK,
            path=Operation.TRANSCRIBE_BULK.path(),
            read=lambda answer: [LineOutcome(line) for line in json_lines(answer)],
            content=lines,
            headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": idempotency_key or str(uuid4())},
            answer_seconds=ANSWER_SECONDS,
            is_repeatable=True,
        )
        return await self._sent(call)

    async def job(self, job_id: Id) -> Job:
        """A job with its history."""
        return await self._got(Operation.GET_JOB, Job, job_id=job_id)

    def jobs(self, *, limit: int | None = None, **filters: Unpack[JobFilters]) -> AsyncGenerator[Job, None]:
        """The jobs that fit, the newest first, all or up to `limit`; without their history."""
        query: dict[str, Any] = {**filters}
        if isinstance(query.get("metadata"), Mapping):
            query["metadata"] = [f"{name}={value}" for name, value in query["metadata"].items()]
        return self._listed(Operation.LIST_JOBS, "jobs", Job, query, limit, PAGE)

    async def waiting(self, job_id: Id) -> Waiting:
        """The gates that hold a job, its webhooks and its enhancements."""
        return await self._got(Operation.GET_WAITING, Waiting, job_id=job_id)

    async def cancel(self, job_id: Id) -> Job:
        """Have a job stopped; it is cancelled soon after, unless it has ended."""
        return await self._sent(_deletion(job_id, one(Job)))

    async def erase(self, job_id: Id) -> Erasure:
        """Delete all that is kept of a job."""
        return await self._sent(_deletion(job_id, one(Erasure), erase="true"))

    async def erasure(self, job_id: Id) -> Erasure:
        """The evidence of an erasure."""
        return await self._got(Operation.GET_ERASURE, Erasure, job_id=job_id)

    async def models(self) -> list[Model]:
        """The models that jobs may name, the default one first."""
        return await self._got(Operation.LIST_MODELS, lambda body: [Model(item) for item in body])


def _submission(
    operation: Operation,
    read: Callable[[Any], Job],
    key: str | None,
    options: JobOptions,
    *,
    body: dict[str, Any] | None = None,
    form: FileForm | None = None,
    can_repeat: bool = True,
    answer_seconds: float | None = None,
) -> Call[Job]:
    """The call that makes a job, harmless to send again by its key or its own id; the service takes one of the two."""
    headers = {"Idempotency-Key": key or str(uuid4())} if key or options.get("job_id") is None else {}
    return Call(
        operation=operation,
        path=operation.path(),
        read=read,
        headers=headers,
        body=body,
        form=form,
        answer_seconds=ANSWER_SECONDS if form else answer_seconds,
        is_repeatable=can_repeat,
    )


def _deletion(job_id: Id, read: Callable[[Any], Any], **query: str) -> Call[Any]:
    operation = Operation.DELETE_JOB
    path = operation.path(job_id=job_id)
    return Call(operation=operation, path=path, read=read, query=query, is_repeatable=True)


def _opening(
    file: str | os.PathLike[str] | BinaryIO,
) -> tuple[Callable[[], AbstractContextManager[BinaryIO]], str, bool]:
    """A way to open a file for each attempt, its name, and whether there may be more than one."""
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        return lambda: path.open("rb"), path.name, True
    name = getattr(file, "name", None)
    called = Path(name).name if isinstance(name, str) else "recording"
    return lambda: nullcontext(file), called, file.seekable()


def _parts(jobs: Iterable[Mapping[str, Any]]) -> Iterator[list[bytes]]:
    """The jobs as lines, in as few requests as they go into."""
    part: list[bytes] = []
    size = 0
    for job in jobs:
        line = json.dumps(plain(job), ensure_ascii=False).encode()
        if len(part) == MOST_LINES or (part and size + len(line) + 1 > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part
