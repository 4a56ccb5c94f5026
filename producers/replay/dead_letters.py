"""Dead letters of all groups for operators: their errors and tenants, and filters over them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from producers.inputs.id_prefix import IdPrefix
from producers.kafka.topic_history import StoredRecord, TopicHistory
from producers.messages.absence import NotThere
from schemas.errors import Poison, Rejected
from schemas.events import Event, JobRequested, TenantPolicy
from schemas.topics import GROUPS, dlq_topic
from schemas.vocabulary.nearest import unknown
from schemas.wire.headers import (
    ERROR_CODE,
    ERROR_KIND,
    ERROR_MESSAGE,
    UNREADABLE,
    VALUE_ABSENT,
    VALUE_OMITTED,
    Origin,
    origin_of,
)
from schemas.wire.serde import Serde, to_json

_PLACE = re.compile(r"([\w.-]+)/(\d{1,9})/(\d{1,18})")
PREFIX = "scribe."
DLQS: Mapping[str, str] = {dlq_topic(group): group for group in GROUPS}
"""The group of each dead-letter topic."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that `group` has set aside; `event` is None when it cannot be decoded or its value was omitted."""

    group: str
    record: StoredRecord
    event: Event | None

    @property
    def name(self) -> str:
        """The name on the command line, such as `transcribers/3/1234`."""
        place = self.record.place
        return f"{_short(self.group)}/{place.partition}/{place.offset}"

    @property
    def kind(self) -> str:
        """The kind of the error."""
        return self.record.headers.get(ERROR_KIND, "")

    @property
    def code(self) -> str:
        """The code of the error."""
        return self.record.headers.get(ERROR_CODE, "")

    @property
    def message(self) -> str:
        """The message of the error."""
        return self.record.headers.get(ERROR_MESSAGE, "")

    @property
    def origin(self) -> Origin | None:
        """The topic, partition and offset that it came from, None when its headers do not tell."""
        here = self.record.place
        return None if (origin := origin_of(self.record.headers, here)) == here else origin

    @property
    def omitted(self) -> bool:
        """Whether the value was omitted, because it did not fit beside the headers."""
        return not self.record.value and VALUE_OMITTED in self.record.headers

    @property
    def unreadable(self) -> bool:
        """Whether it stands for unreadable bytes of a topic, which contain no record to resend."""
        return UNREADABLE in self.record.headers

    @property
    def tenant(self) -> str:
        """The tenant, '' when it cannot be read."""
        return self.event.tenant if self.event else ""

    @property
    def job_id(self) -> UUID | None:
        """The job of the event, or of the record's key."""
        if self.event is not None:
            return None if isinstance(self.event, TenantPolicy) else self.event.job_id
        try:
            return UUID((self.record.key or b"").decode("ascii"))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """A filter over dead letters; None matches all. `text` is searched in the message, ignoring case."""

    kind: str | None = None
    code: str | None = None
    tenant: str | None = None
    job: IdPrefix | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a dead letter matches."""
        exact = (
            (self.kind, letter.kind),
            (self.code, letter.code),
            (self.tenant, letter.tenant),
        )
        at = letter.record.at
        return (
            all(wanted is None or wanted == found for wanted, found in exact)
            and (self.job is None or self.job.begins(letter.job_id))
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (self.text is None or self.text.casefold() in letter.message.casefold())
        )


def read(
    history: TopicHistory,
    serde: Serde,
    wanted: DeadLetterFilter,
    topics: Mapping[str, str] = DLQS,
    *,
    values: bool = True,
) -> Iterator[DeadLetter]:
    """The dead letters that match, as of now; without `values` they take little memory."""
    for letter in _all(history, serde, topics, wanted.since):
        if wanted.matches(letter):
            yield letter if values else replace(letter, record=replace(letter.record, value=None))


def _all(
    history: TopicHistory, serde: Serde, topics: Mapping[str, str], since: datetime | None
) -> Iterator[DeadLetter]:
    """All dead letters, those with a value first: looking up an omitted value needs a reader that is at its end."""
    omitted = []
    for record in history.records(list(topics), since):
        letter = letter_of(serde, topics[record.place.topic], record)
        if letter.omitted:
            omitted.append(letter)
        else:
            yield letter
    for letter in omitted:
        yield whole(history, serde, letter)


def find(history: TopicHistory, serde: Serde, place: Origin) -> DeadLetter:
    """The dead letter at a place of DLQS, with the value of its origin where its own was omitted; raises NotThere."""
    record = history.at(place)
    if record is None:
        raise NotThere(f"nothing lies at {place.topic}/{place.partition}/{place.offset} any more")
    return whole(history, serde, letter_of(serde, DLQS[place.topic], record))


def whole(history: TopicHistory, serde: Serde, letter: DeadLetter) -> DeadLetter:
    """The dead letter with the value of its origin where its own was omitted and the origin still exists."""
    if not letter.omitted or letter.origin is None or letter.unreadable:
        return letter
    original = history.at(letter.origin)
    if original is None or original.value is None:
        return letter
    record = replace(letter.record, value=original.value, key=letter.record.key or original.key)
    return letter_of(serde, letter.group, record)


def letter_of(serde: Serde, group: str, record: StoredRecord) -> DeadLetter:
    """A record of a group's dead-letter topic, decoded as far as possible."""
    if not record.value and (VALUE_ABSENT in record.headers or VALUE_OMITTED in record.headers):
        record = replace(record, value=None)
    try:
        return DeadLetter(group, record, serde.decode_any(record.value))
    except Poison:
        return DeadLetter(group, record, None)


def place_of(text: str) -> Origin:
    """The place in a name such as `transcribers/3/1234`; raises Rejected(invalid_request)."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Rejected("invalid_request", f"'{text}' is no GROUP/PARTITION/OFFSET such as transcribers/3/1234")
    return Origin(dlq_topic(group_of(found[1])), int(found[2]), int(found[3]))


def group_of(text: str) -> str:
    """The consumer group of a short or full name; raises Rejected(invalid_request)."""
    group = PREFIX + text.removeprefix(PREFIX)
    if group not in GROUPS:
        raise Rejected("invalid_request", unknown("group", text, map(_short, GROUPS)))
    return group


def _short(group: str) -> str:
    return group.removeprefix(PREFIX)


def facts(letter: DeadLetter) -> Mapping[str, Any]:
    """A dead letter as a JSON object for one line."""
    origin = letter.origin
    return {
        "item": letter.name,
        "at": letter.record.at,
        "group": letter.group,
        "kind": letter.kind,
        "code": letter.code,
        "message": letter.message,
        "tenant": letter.tenant or None,
        "job_id": str(letter.job_id) if letter.job_id else None,
        "event": letter.event.KIND if letter.event else None,
        "run": getattr(letter.event, "run", None),
        "origin": f"{origin.topic}/{origin.partition}/{origin.offset}" if origin else None,
        "value_omitted": letter.omitted,
        "unreadable": letter.unreadable,
    }


def contents(letter: DeadLetter) -> Mapping[str, Any]:
    """All of a dead letter: the event as JSON, or undecodable bytes as hex digits."""
    value = letter.record.value
    event = letter.event
    if isinstance(event, JobRequested):
        event = event.without_query()  # signatures and tokens are nobody's business here
    return {
        **facts(letter),
        "headers": letter.record.headers,
        "key": (letter.record.key or b"").decode("utf-8", "backslashreplace"),
        "value": to_json(event) if event is not None else value and value.hex(),
    }
