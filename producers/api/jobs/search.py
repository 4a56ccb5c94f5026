"""Search over the tenant's own transcripts."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field

from producers.api.jobs.views import job_path
from producers.api.problems import problem_responses
from producers.api.requests.cursor import MAX_CHARS, from_position_cursor, list_of, to_cursor
from producers.api.requests.media_types import StrictRoute
from producers.api.requests.query import Number, known_language
from producers.api.services import KeyDep, ServicesDep
from sink.jobs.transcripts.search import MAX_QUERY_CHARS, Hit, SearchCursor, search

router = APIRouter(prefix="/api/v1", tags=["search"], route_class=StrictRoute)
MAX_HITS = 50


class PieceView(BaseModel):
    """A part of a snippet; the texts of all parts, put together, are the snippet."""

    text: str
    match: bool = Field(description="It was asked for: mark it.")


class HitView(BaseModel):
    """A segment that matches the search; times in seconds from the beginning of the recording."""

    job_id: UUID
    recording_id: str | None
    name: str | None = Field(description="The name of its file.")
    language: str | None = Field(description="Of the segment, which may be another one than that of its transcript.")
    requested_at: datetime
    position: int = Field(description="Of the segment in its transcript, from 0.")
    start: float
    end: float
    speaker: str | None
    snippet: list[PieceView]
    links: dict[str, str]


class HitList(BaseModel):
    """A page of hits."""

    hits: list[HitView]
    next_cursor: str | None = Field(description="Hand it back for the next page; null at the end.")
    too_common: list[str] = Field(
        description="Words of `q` that are too common in English to be searched for; add rarer ones if nothing is found."
    )


@router.get(
    "/search",
    operation_id="search",
    summary="Where transcripts say something",
    responses=problem_responses("invalid_request", "unauthorized", "search_too_broad", "busy"),
)
async def search_transcripts(
    services: ServicesDep,
    key: KeyDep,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_QUERY_CHARS,
            description="The words to find, and those to leave out.",
            examples=['"refund policy" -cancelled'],
        ),
    ],
    language: Annotated[
        str | None,
        BeforeValidator(known_language),
        Query(description="Only what was said in it, such as `he`.", examples=["he"]),
    ] = None,
    limit: Annotated[Number, Query(ge=1, le=MAX_HITS, description="The most that one page holds.")] = 20,
    cursor: Annotated[str | None, Query(max_length=MAX_CHARS, description="From `next_cursor`.")] = None,
) -> HitList:
    """Every hit is a segment that has all words, in any of their forms: the newest job first, each job in its order.

    `"words together"`, `this or that`, `-without`. In Hebrew a word is found with and without prefixes and vowel
    points; in quotation marks it is not taken apart.
    """
    which = list_of("search", key.tenant, q, language)
    place = from_position_cursor(cursor, which)
    after = place and SearchCursor(*place)
    asked = partial(search, text=q, language=language, after=after, limit=limit, seconds=services.query_seconds)
    async with services.searches.one(key.tenant):
        found = await services.reading.run(key.tenant, asked)
    more = found.more_after
    return HitList(
        hits=[_view(hit) for hit in found.hits],
        next_cursor=more and to_cursor(which, more.requested_at, more.job_id, more.position),
        too_common=list(found.too_common),
    )


def _view(hit: Hit) -> HitView:
    values = {name: getattr(hit, name) for name in HitView.model_fields if name not in ("snippet", "links")}
    path = job_path(hit.job_id)
    return HitView(
        **values,
        snippet=[PieceView(text=piece.text, match=piece.match) for piece in hit.snippet],
        links={"job": path, "transcript": f"{path}/transcript"},
    )
