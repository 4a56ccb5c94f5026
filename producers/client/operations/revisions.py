"""Corrections of transcripts, which are kept beside what the machine wrote."""

from collections.abc import AsyncGenerator, Iterable, Mapping

import httpx

from ..models.revisions import Correction, Revision, SegmentEdit
from ..protocol.calls import Call, Operation, plain
from .session import Id, Session

PAGE = 100


class RevisionOperations(Session):
    """Operations of corrections."""

    async def transcript_tag(self, job_id: Id) -> str:
        """The tag of a transcript as it is now: what a correction names, so that it overwrites nobody's."""
        operation = Operation.GET_TRANSCRIPT
        path, query = operation.path(job_id=job_id), {"format": "txt"}
        call = Call(operation=operation, path=path, read=_tag, query=query, is_repeatable=True)
        return await self._sent(call)

    async def correct(
        self,
        job_id: Id,
        tag: str,
        *,
        speakers: Mapping[str, str] | None = None,
        segments: Iterable[SegmentEdit] | None = None,
    ) -> Correction:
        """Name speakers by their labels, and correct segments, in one revision: all of it or nothing.

        Raises Conflict where the transcript is no longer the one that has the tag. Sent again by the client when the
        answer was lost, for the same correction again changes nothing.
        """
        operation = Operation.CORRECT_TRANSCRIPT
        body = plain({"speakers": speakers and dict(speakers), "segments": segments and list(segments)})
        call = Call(
            operation=operation,
            path=operation.path(job_id=job_id),
            read=lambda answer: Correction({**answer.json(), "tag": _tag(answer)}),
            headers={"If-Match": tag},
            body=body,
            is_repeatable=True,
        )
        return await self._sent(call)

    def revisions(self, job_id: Id, *, limit: int | None = None) -> AsyncGenerator[Revision, None]:
        """The corrections of a job's transcript, the newest first, those of earlier runs too; all or up to `limit`."""
        return self._listed(Operation.LIST_REVISIONS, "revisions", Revision, {}, limit, PAGE, job_id=job_id)


def _tag(answer: httpx.Response) -> str:
    return answer.headers["etag"]
