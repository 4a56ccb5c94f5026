"""The operations that show operators the dead letters of all groups, which are read from Kafka when they are asked for."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from producers.api.problems import problem_responses
from producers.api.requests.cursor import MAX_OFFSETS_CHARS, from_offsets_cursor, list_of, to_offsets_cursor
from producers.api.requests.media_types import StrictRoute
from producers.api.requests.query import Number, Time
from producers.api.services import OPERATORS, KeyDep, Services, ServicesDep
from producers.inputs.id_prefix import IdPrefix
from producers.kafka.topic_history import TopicHistory
from producers.replay.dead_letters import DLQS, DeadLetterFilter, contents, find, group_of, place_of
from producers.replay.newest_first import read_page
from schemas.errors import CODES, Rejected
from schemas.requests.limits import MAX_ID_CHARS
from schemas.settings.kafka import KafkaSettings
from schemas.tenants.scopes import Scope, check_scope
from schemas.topics import dlq_topic
from schemas.vocabulary.nearest import unknown
from schemas.wire.headers import Origin
from schemas.wire.serde import Serde
from sink.jobs.replay_log import ReplayEntry, latest
from sink.tenants.api_keys import ApiKey

T = TypeVar("T")
PREFIX = "/api/v1/operator"
router = APIRouter(prefix=PREFIX, tags=[OPERATORS], route_class=StrictRoute)
MAX_LISTED = 100
MAX_VALUE_CHARS = 20_000
CLIENT_ID = "scribe-api"


class HandlingView(BaseModel):
    """The last action of an operator on a dead letter."""

    action: str = Field(examples=["redrive"])
    requested_by: str = Field(examples=["operator anna"])
    at: datetime
    is_done: bool = Field(description="False: the command is not known to have ended.")


class DeadLetterView(BaseModel):
    """A record that a consumer group has set aside, and why."""

    item: str = Field(description="Its name for `scribe dlq`.", examples=["transcribers/3/1234"])
    at: datetime
    group: str = Field(examples=["scribe.transcribers"])
    kind: str = Field(examples=["poison"])
    code: str = Field(examples=["undecodable"])
    message: str = Field(examples=["no Avro record"])
    tenant: str | None = Field(description="Null where nobody can read it.")
    job_id: UUID | None
    event: str | None = Field(description="What it is; null where nobody can read it.", examples=["JobRequested"])
    run: int | None
    origin: str | None = Field(
        description="Topic, partition and offset that it came from.", examples=["scribe.jobs/3/1234"]
    )
    value_omitted: bool = Field(description="Its value was too large for a copy; the origin has it.")
    unreadable: bool = Field(description="It stands for bytes in which no record could be read.")
    handled: HandlingView | None


class DeadLetterDetail(DeadLetterView):
    """A dead letter with what is in it."""

    key: str
    headers: dict[str, str]
    form: Literal["json", "hex"] | None = Field(description="Of `value`; null where it has none.")
    value: str = Field(description=f"As text, {MAX_VALUE_CHARS:,} characters of it at most.", examples=["00 00 00 2a"])
    value_chars: int = Field(description="Characters of all of it.", examples=[11])


class DeadLetterList(BaseModel):
    """A page of dead letters, the newest first."""

    dead_letters: list[DeadLetterView]
    next_cursor: str | None = Field(
        description="Hand it back for the next page, also where this one holds less than was asked for; null at the end."
    )


@router.get(
    "/dead-letters",
    operation_id="listDeadLetters",
    summary="What consumer groups have set aside, the newest first",
    responses=problem_responses("invalid_request", "unauthorized", "not_offered", "busy"),
)
async def list_(
    services: ServicesDep,
    key: KeyDep,
    group: Annotated[
        str | None, Query(max_length=MAX_ID_CHARS, description="Only this group's.", examples=["transcribers"])
    ] = None,
    code: Annotated[str | None, Query(max_length=MAX_ID_CHARS, description="Only with this error code.")] = None,
    tenant: Annotated[str | None, Query(max_length=MAX_ID_CHARS, description="Only this tenant's.")] = None,
    job_id: Annotated[UUID | None, Query(description="Only this job's.")] = None,
    since: Annotated[Time | None, Query(description="Only those set aside then or later.")] = None,
    until: Annotated[Time | None, Query(description="Only those set aside before.")] = None,
    limit: Annotated[Number, Query(ge=1, le=MAX_LISTED, description="The most that one page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_OFFSETS_CHARS, description="From `next_cursor`.")] = None,
) -> DeadLetterList:
    """Needs the scope `operator`. Each page reads for some seconds at most, and may hold less than there are.

    To send them again, or to say that nothing is to be done, is for `scribe dlq redrive` and `scribe dlq discard`.
    """
    settings = _offered(services, key)
    if code is not None and code not in CODES:
        raise Rejected("invalid_request", f"code: {unknown('word', code, CODES)}")
    topics = DLQS if group is None else {dlq_topic(group_of(group)): group_of(group)}
    wanted = DeadLetterFilter(
        code=code, tenant=tenant, job=IdPrefix(job_id.hex) if job_id else None, since=since, until=until
    )
    which = list_of("dead-letters", sorted(topics), code, tenant, job_id, since, until)
    read = partial(read_page, wanted=wanted, limit=limit, before=from_offsets_cursor(cursor, which), topics=topics)
    page = await _asked(services, key, partial(_with_history, settings, services.serde, read))
    handled = await _handled(services, {letter.place: letter.at for letter in page.letters})
    return DeadLetterList(
        dead_letters=[
            DeadLetterView(**letter.facts or {}, handled=_handling(handled.get(letter.place)))
            for letter in page.letters
        ],
        next_cursor=to_offsets_cursor(which, page.ends) if page.ends else None,
    )


@router.get(
    "/dead-letters/{group}/{partition}/{offset}",
    operation_id="getDeadLetter",
    summary="A dead letter with what is in it",
    responses=problem_responses("invalid_request", "unauthorized", "not_found", "not_offered", "busy"),
)
async def read(
    group: Annotated[str, Path(max_length=MAX_ID_CHARS, description="The group.", examples=["transcribers"])],
    partition: Annotated[int, Path(ge=0, lt=10**9, description="Of its dead letters.", examples=[3])],
    offset: Annotated[int, Path(ge=0, lt=10**18, description="In the partition.", examples=[1234])],
    services: ServicesDep,
    key: KeyDep,
) -> DeadLetterDetail:
    """Needs the scope `operator`. An event as JSON, the query of its address left out; else the bytes in hex."""
    settings = _offered(services, key)
    place = place_of(f"{group}/{partition}/{offset}")
    found = await _asked(services, key, partial(_with_history, settings, services.serde, partial(_letter, place=place)))
    handled = await _handled(services, {place: found["at"]})
    value = found["value"]
    text = json.dumps(value, indent=1, ensure_ascii=False) if isinstance(value, dict) else value or ""
    shown = {**found, "value": text[:MAX_VALUE_CHARS], "value_chars": len(text)}
    form = "json" if isinstance(value, dict) else "hex" if text else None
    return DeadLetterDetail(**shown, form=form, handled=_handling(handled.get(place)))


def _offered(services: Services, key: ApiKey) -> KafkaSettings:
    """The broker to read from; raises Rejected for keys that may not, and where the shim does not read it."""
    check_scope(key.scopes, Scope.OPERATOR)
    if services.dead_letters is None:
        raise Rejected("not_offered", "dead letters are read where SCRIBE_API_DEAD_LETTERS is set, and by `scribe dlq`")
    return services.dead_letters


async def _asked(services: Services, key: ApiKey, work: Callable[[], T]) -> T:
    """The result of work that waits for Kafka, in a thread."""
    async with services.dead_letter_reads.one(key.tenant):
        return await anyio.to_thread.run_sync(work)


def _with_history(settings: KafkaSettings, serde: Serde, work: Callable[[TopicHistory, Serde], T]) -> T:
    with TopicHistory.open(settings, CLIENT_ID) as history:
        return work(history, serde)


def _letter(history: TopicHistory, serde: Serde, place: Origin) -> Mapping[str, Any]:
    return contents(find(history, serde, place))


async def _handled(services: Services, written: Mapping[Origin, datetime]) -> dict[Origin, ReplayEntry]:
    async with services.database.connection() as connection:
        return await latest(connection, written)


def _handling(entry: ReplayEntry | None) -> HandlingView | None:
    if entry is None:
        return None
    return HandlingView(action=entry.action, requested_by=entry.by, at=entry.at, is_done=entry.done_at is not None)
