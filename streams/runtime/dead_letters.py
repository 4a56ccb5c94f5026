"""Dead letters of a Faust app: the reason for one, and its copy, written in the largest form that the broker accepts."""

from dataclasses import dataclass

import psycopg
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError
from pydantic import ValidationError

from schemas.errors import InvalidEvent, Outage, Permanent, Poison, Transient
from schemas.process.failpoints import failpoint
from schemas.retries.schedules import RECORD_TRIES
from schemas.wire.headers import UNREADABLE, dead_letter_headers
from schemas.wire.records import Record
from streams.kafka.dead_letter_copies import copies, strangers
from streams.kafka.record_batches import Unreadable
from streams.kafka.transport import ScribeApp
from streams.runtime.inbound import InboundRecord


@dataclass(frozen=True, slots=True)
class DeadLetterReason:
    """The reason why a record is dead-lettered."""

    kind: str
    code: str
    message: str


def after_error(error: Exception, tries: int) -> DeadLetterReason | None:
    """The reason to dead-letter a record after its `tries`-th failure (1 at first); None: retry after a wait."""
    if isinstance(error, Outage) or (isinstance(error, Transient) and tries < RECORD_TRIES):
        return None
    if isinstance(error, Permanent):
        return DeadLetterReason(error.kind, error.code, error.message)
    if isinstance(error, InvalidEvent):
        return DeadLetterReason(error.reason.kind, error.reason.code, error.reason.message)
    if isinstance(error, Poison):
        return DeadLetterReason("poison", "undecodable", str(error))
    return DeadLetterReason("internal", "internal", _error_text(error))


def _error_text(error: Exception) -> str:
    """An error as text without the refused values, which may be what people said."""
    if isinstance(error, psycopg.Error):
        return f"{type(error).__name__}: {error.diag.message_primary or error.sqlstate}"
    if isinstance(error, ValidationError):
        return f"{type(error).__name__}: {'; '.join(str(e['msg']) for e in error.errors(include_input=False)[:5])}"
    return f"{type(error).__name__}: {error}"


class DeadLetterWriter:
    """Writes the dead letters of a consumer group to a topic."""

    def __init__(self, app: ScribeApp, topic: str, group: str) -> None:
        self._app = app
        self._topic = topic
        self._group = group

    async def write(self, inbound: InboundRecord, letter: DeadLetterReason) -> None:
        """Write the dead letter, in the largest form that the broker accepts; raises Outage."""
        refused: Exception | None = None
        for copy in copies(_copy_of(inbound, self._topic, self._group, letter)):
            try:
                await self._send(copy)
            except (MessageSizeTooLargeError, AssertionError, TypeError, ValueError) as error:
                # without the frames, which hold the record: a circle, and looking for those is put off for long
                refused = error.with_traceback(None)
            else:
                failpoint("streams.after_dead_letter")
                return
        raise Outage(f"Kafka: {self._topic}: {refused!r}") from refused

    async def _send(self, record: Record) -> None:
        encoded = {name: text.encode() for name, text in record.headers.items()}
        try:
            await self._app.producer.send_and_wait(record.topic, record.key, record.value, None, None, encoded)
        except (ProducerSendError, KafkaError) as error:
            if isinstance(error.__cause__ or error, MessageSizeTooLargeError):
                raise MessageSizeTooLargeError(record.topic) from None
            raise Outage(f"Kafka: {record.topic}: {error.__cause__ or error!r}") from error


def _copy_of(inbound: InboundRecord, dlq: str, group: str, letter: DeadLetterReason) -> Record:
    value = inbound.value
    own = {UNREADABLE: "true"} if isinstance(value, Unreadable) else {}
    headers = dead_letter_headers(
        strangers(inbound.headers), inbound.origin, group, letter.kind, letter.code, letter.message
    )
    return Record(dlq, inbound.key, value if value is None else bytes(value), headers | own)
