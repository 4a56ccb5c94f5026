"""The operations that correct a transcript, and list its corrections."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from producers.api.jobs.bodies import Body
from producers.api.jobs.results.transcripts import TAG_HEADER, last_of, version_of, without_transcript
from producers.api.jobs.views import job_path
from producers.api.problems import problem_responses
from producers.api.requests.conditional import IF_MATCH, tags_in
from producers.api.requests.cursor import MAX_CHARS, from_position_cursor, list_of, page_of, to_cursor
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.requests.query import Number
from producers.api.services import KeyDep, ServicesDep
from schemas.errors import Rejected
from schemas.requests.revisions.changes import (
    MAX_EDITS,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    SegmentEdit,
    TranscriptChanges,
    total,
)
from schemas.requests.revisions.resolution import effective
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import JobState
from sink.jobs import queries
from sink.jobs.queries import JobRow
from sink.jobs.transcripts.revisions import Revision, add_revision, find_locked, list_revisions, revisions_of
from sink.tenants.api_keys import ApiKey

router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)
MAX_LISTED = 100
_EXAMPLE: JsonDict = {
    "speakers": {"SPEAKER_00": "Anna"},
    "segments": [{"index": 3, "text": "I would like my money back."}, {"index": 4, "speaker": "SPEAKER_01"}],
}


def _without_controls(text: str) -> str:
    if hidden := next((c for c in text if unicodedata.category(c) == "Cc" and not c.isspace()), None):
        raise ValueError(f"must not have the character U+{ord(hidden):04X}, which is not seen")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


_Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(_without_controls)]
_SpeakerName = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME_CHARS), AfterValidator(_without_controls), AfterValidator(_not_blank)
]


class SegmentEditBody(Body):
    """The correction of one segment; what is left out stays as it is."""

    index: int = Field(ge=0, description="Its place in `segments` of the transcript, from 0.")
    text: _Text | None = Field(None, description="All that is said in it; empty: nothing is, and no file shows it.")
    speaker: _SpeakerName | None = Field(None, description="The label or the name of a speaker of this recording.")

    @model_validator(mode="after")
    def _something(self) -> "SegmentEditBody":
        if self.text is None and self.speaker is None:
            raise ValueError("must have text, speaker, or both")
        return self


class CorrectionBody(Body):
    """The changes of one revision: all of them, or none when one cannot be."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    speakers: dict[_SpeakerName, _SpeakerName] = Field(
        default_factory=dict,
        max_length=MAX_EDITS,
        description="Names of speakers by the machine's labels, or by the names that they have:"
        " a label as its own name takes the name back, and the label of another speaker is no name.",
    )
    segments: list[SegmentEditBody] = Field(default_factory=list, max_length=MAX_EDITS)

    @model_validator(mode="after")
    def _something(self) -> "CorrectionBody":
        if not (self.speakers or self.segments):
            raise ValueError("must have speakers, segments, or both")
        return self

    def changes(self) -> TranscriptChanges:
        """The changes as they are asked for."""
        return TranscriptChanges(self.speakers, tuple(SegmentEdit(**edit.model_dump()) for edit in self.segments))


class SegmentEditView(BaseModel):
    """The change of one segment; null: as it was."""

    index: int
    text: str | None = None
    speaker: str | None = Field(None, description="The machine's label.")


class ChangesView(BaseModel):
    """The changes since the revision before."""

    speakers: dict[str, str] = Field(description="Names by the machine's labels.", examples=[{"SPEAKER_00": "Anna"}])
    segments: list[SegmentEditView]


class CorrectionView(BaseModel):
    """A transcript after a correction."""

    job_id: UUID
    run: int
    revision: int = Field(description="The last one of the transcript; 0 when there is none.")
    changes: ChangesView = Field(description="What has changed; nothing when all was so already.")
    links: dict[str, str]


class RevisionView(BaseModel):
    """A revision of a transcript."""

    number: int = Field(description="Counted from 1 through all runs of the job.")
    run: int = Field(description="The run whose transcript it changes.")
    at: datetime
    key_id: str = Field(description="Of the key with which it was made.")
    changes: ChangesView


class RevisionList(BaseModel):
    """A page of the revisions of a job, the newest first."""

    job_id: UUID
    run: int = Field(description="The present run of the job; revisions of earlier ones change nothing any more.")
    revisions: list[RevisionView]
    next_cursor: str | None = Field(description="Hand it back for the next page; null at the end.")


@router.patch(
    "/jobs/{job_id}/transcript",
    operation_id="correctTranscript",
    summary="Correct the text of a transcript, and name its speakers",
    responses={
        200: {"description": "It is corrected", "headers": {"ETag": TAG_HEADER}},
        **problem_responses(
            "invalid_request",
            "unauthorized",
            "forbidden",
            "not_found",
            "not_ready",
            "cancelled",
            "precondition_required",
            "revision_conflict",
            "too_many_revisions",
            *BODY_CODES,
        ),
    },
)
async def correct_transcript(
    job_id: JobId,
    body: CorrectionBody,
    request: Request,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    _if_match: Annotated[
        str | None,
        Header(
            alias=IF_MATCH,
            description="Required: the ETag of the transcript that you have read, in any format.",
            examples=['"1.0-9f86d081884c7d65"'],
        ),
    ] = None,
) -> CorrectionView:
    """Kept as a revision beside the machine's transcript, which never changes; every format then has it.

    Of two people who correct what both have read the second one gets 412, and nothing of hers is written. The same
    request again, when its answer was lost, changes nothing. Words that stay keep their times.
    """
    asked, versions = body.changes(), _versions(request.headers.getlist(IF_MATCH))
    async with services.database.as_tenant(key.tenant, writing=True) as connection:
        job = await find_locked(connection, job_id, key.tenant)
        if job is None or job.state != JobState.COMPLETED:
            raise without_transcript(job, job_id)
        outline, made = await queries.transcript(connection, job, words=False), await revisions_of(connection, job)
        # many edits of a long transcript take a while, and nobody else should wait for that
        changes, written = await anyio.to_thread.run_sync(_decided, asked, versions, job, outline, made, key)
        if written is not None:
            made = made[:written]  # the lost answer: whoever goes on from it hears of those who have followed
        elif changes:
            made.append(await add_revision(connection, job, key.key_id, changes))
    response.headers["ETag"] = f'"{version_of(job, made)}"'
    return _correction(job, made, changes)


def _versions(lines: list[str]) -> set[str]:
    """The versions of the transcript that a client has read; raises Rejected(precondition_required)."""
    if not (tags := tags_in(lines)):
        # `*` would take whatever is there, and so overwrite what nobody has read
        seen = "If-Match names no ETag" if lines else "If-Match is missing"
        raise Rejected("precondition_required", seen)
    return {tag.partition("-")[0] for tag in tags}


def _decided(
    asked: TranscriptChanges,
    versions: set[str],
    job: JobRow,
    machine: Transcript,
    made: Sequence[Revision],
    key: ApiKey,
) -> tuple[TranscriptChanges, int | None]:
    """The changes that a request makes, empty where all is so already; and how many revisions there were after it.

    The latter is None where it is not written already. Raises Rejected, such as revision_conflict.
    """
    if version_of(job, made) in versions:
        return effective(asked, machine, total(revision.changes for revision in made)), None
    if written := _repeated(asked, versions, job, machine, made, key):
        return made[written - 1].changes, written
    raise Rejected("revision_conflict", f"it is at revision {last_of(made)} of run {job.run}")


def _repeated(
    asked: TranscriptChanges,
    versions: set[str],
    job: JobRow,
    machine: Transcript,
    made: Sequence[Revision],
    key: ApiKey,
) -> int | None:
    """The number of revisions after the one that is this very request, whose answer its client may never have got.

    Others may have followed it.
    """
    # the newest that the client names: to try each of a thousand would take minutes
    read = next((n for n in reversed(range(len(made))) if version_of(job, made[:n]) in versions), None)
    if read is None or made[read].key_id != key.key_id:
        return None
    try:
        changes = effective(asked, machine, total(revision.changes for revision in made[:read]))
    except Rejected:
        return None
    return read + 1 if changes == made[read].changes else None


@router.get(
    "/jobs/{job_id}/revisions",
    operation_id="listRevisions",
    summary="Who corrected a transcript, when, and what",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_revisions(
    job_id: JobId,
    services: ServicesDep,
    key: KeyDep,
    limit: Annotated[Number, Query(ge=1, le=MAX_LISTED, description="The most that one page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_CHARS, description="From `next_cursor`.")] = None,
) -> RevisionList:
    """Revisions of earlier runs too: a new run has a transcript of its own, and begins without any."""
    which = list_of("revisions", key.tenant, job_id)
    place = from_position_cursor(cursor, which)
    # not from a replica: whoever was told of a conflict looks here for what is new
    async with services.database.as_tenant(key.tenant) as connection:
        job = await queries.find(connection, job_id, key.tenant)
        if job is None:
            raise Rejected("not_found", f"job {job_id}")
        found = await list_revisions(connection, job_id, place[2] if place else None, limit + 1)
    shown, last = page_of(found, limit)
    return RevisionList(
        job_id=job_id,
        run=job.run,
        revisions=[_view(revision) for revision in shown],
        next_cursor=last and to_cursor(which, last.at, job_id, last.number),
    )


def _correction(job: JobRow, made: Sequence[Revision], changes: TranscriptChanges) -> CorrectionView:
    path = job_path(job.job_id)
    return CorrectionView(
        job_id=job.job_id,
        run=job.run,
        revision=last_of(made),
        changes=ChangesView(**changes.to_json()),
        links={"transcript": f"{path}/transcript", "revisions": f"{path}/revisions", "job": path},
    )


def _view(revision: Revision) -> RevisionView:
    values = {name: getattr(revision, name) for name in ("number", "run", "at", "key_id")}
    return RevisionView(**values, changes=ChangesView(**revision.changes.to_json()))
