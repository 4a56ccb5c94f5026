"""The idempotent Kafka producer: every delivery confirmed, and librdkafka's errors translated into ours.

One of the few modules of this folder that other processes use as a library.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import methodcaller
from threading import Lock
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import Fatal, Outage, Permanent, ScribeError, SettingsError
from schemas.ports import Refused
from schemas.settings.kafka import KafkaSettings
from schemas.wire.headers import read_headers
from schemas.wire.records import Record
from sink.records.kafka.security import client_config

log = logging.getLogger(__name__)

Report = Callable[[KafkaError | None, "Message[Any, Any]"], None]


class Seldom(logging.Filter):
    """A log filter that passes a line once in `seconds`: librdkafka repeats it twenty times a second in an outage."""

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._seen: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is new; different counts and durations do not make it so."""
        line = "".join(c for c in record.getMessage() if not c.isdigit())
        news = record.created - self._seen.get(line, -self._seconds) >= self._seconds
        if news:
            self._seen = {known: at for known, at in self._seen.items() if record.created - at < self._seconds}
            self._seen[line] = record.created
        return news


client_log = logging.getLogger("librdkafka")
"""Where every Kafka client of the service writes what its library has to say."""
client_log.addFilter(Seldom())
# the brokers' own default limit of a record batch is 1,048,588 bytes
MAX_MESSAGE_BYTES = 1_048_000
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.RECORD_LIST_TOO_LARGE})
NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


def translate(error: KafkaError | KafkaException, topic: str = "") -> ScribeError:
    """Our error for one of librdkafka's: Permanent for a record too large, Fatal for refused access, else Outage."""
    cause = error.args[0] if isinstance(error, KafkaException) else error
    where = f" ({topic})" if topic else ""
    if not isinstance(cause, KafkaError):
        return Outage(f"Kafka{where}: {cause}")
    if cause.code() in TOO_LARGE:
        return Permanent("result_too_large", f"the broker refuses the record{where}")
    if cause.code() in REFUSED:
        return Fatal(f"Kafka refuses access{where}: {cause.str()}; {_advice(cause)}")
    if cause.code() in NO_TOPIC:
        return Outage(f"Kafka has no such topic{where}: {cause.str()}; create it with `scribe topics apply`")
    return Outage(f"Kafka{where}: {cause.name()}: {cause.str()}")


def _advice(cause: KafkaError) -> str:
    if cause.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        return "check SCRIBE_KAFKA_USER and SCRIBE_KAFKA_PASSWORD"
    return "`scribe topics acls` writes the rights that each process needs"


@contextmanager
def options_checked() -> Iterator[None]:
    """Context for creating a client: options that librdkafka rejects are reported as an error in the environment."""
    try:
        yield
    except (KafkaException, TypeError, ValueError) as error:
        cause = error.args[0]
        reason = cause.str() if isinstance(cause, KafkaError) else cause
        raise SettingsError(f"SCRIBE_KAFKA_OPTIONS: {reason}") from error


def producer_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """The configuration of every producer of the service; settings that guarantees depend on cannot be overridden."""
    return {
        "linger.ms": 2,
        "retry.backoff.ms": 10,
        # the only codec that every reader knows without further packages
        "compression.type": "gzip",
        **client_config(settings, client_id),
        "enable.idempotence": True,
        "acks": "all",
        # keys go to the same partitions as with Java and aiokafka producers
        "partitioner": "murmur2_random",
        "message.max.bytes": MAX_MESSAGE_BYTES,
    }


class Publisher:
    """Sends records outside of transactions; implements schemas.ports.RecordPublisher. Safe for many threads."""

    def __init__(self, settings: KafkaSettings, client_id: str = "scribe", timeout: float = 15.0) -> None:
        """Start a producer; `timeout` in seconds limits how long the broker may take to confirm a record."""
        config = producer_config(settings, client_id)
        self._config = {**config, "message.timeout.ms": int(timeout * 1000)}
        self._timeout = timeout
        self._lock = Lock()
        self._producer = self._start()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, *records: Record) -> None:
        """Send and wait until the broker has all records; raises Refused when only oversized ones are missing.

        Raises Outage when others are missing: some records may have been written, so send all of them again.
        """
        producer, reports = self._producer, _Reports()
        for place, record in enumerate(records):
            self._send(producer, record, reports, place)
        deadline = time.monotonic() + self._timeout + 5
        while len(reports.ended) < len(records):
            producer.poll(0.05)
            if len(reports.ended) < len(records) and time.monotonic() > deadline:
                raise Outage(f"Kafka confirmed {len(reports.ended)} of {len(records)} records in {self._timeout:g} s")
        self._check(producer, reports)

    def offer(self, record: Record) -> bool:
        """Hand a record over without waiting or ever raising; False when it had to be dropped at once."""
        try:
            _produce(self._producer, record, None)
            self._producer.poll(0)
        except (BufferError, KafkaException) as error:
            log.debug("record for %s dropped: %s", record.topic, error)
            return False
        return True

    def close(self, timeout: float = 5.0) -> None:
        """Wait up to `timeout` seconds for offered records, then close the connection."""
        self._producer.flush(timeout)
        self._producer.purge()
        self._producer.flush(0)

    def _start(self) -> Producer:
        with options_checked():
            return Producer(self._config, logger=client_log)

    def _send(self, producer: Producer, record: Record, reports: "_Reports", place: int) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return _produce(producer, record, partial(reports.add, place))
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise Outage("Kafka takes no more records: the local queue is full") from error
                producer.poll(0.05)
            except KafkaException as error:
                if error.args[0].code() in TOO_LARGE:
                    return reports.refuse(place, error.args[0], record.topic)
                self._renew(producer, error.args[0])
                raise translate(error, record.topic) from error

    def _check(self, producer: Producer, reports: "_Reports") -> None:
        failed = {place: (error, topic) for place, (error, topic) in reports.ended.items() if error is not None}
        others = [(error, topic) for error, topic in failed.values() if error.code() not in TOO_LARGE]
        for error, _ in others:
            self._renew(producer, error)
        if others:
            raise translate(*others[0])
        if failed:
            raise Refused(tuple(sorted(failed)), f"the broker refuses the record ({failed[min(failed)][1]})")

    def _renew(self, producer: Producer, error: KafkaError) -> None:
        """Replace a producer after a fatal error, so that the next record uses a new one."""
        with self._lock:
            if error.fatal() and self._producer is producer:
                log.warning("Kafka producer is started anew: %s", error)
                self._producer = self._start()


class _Reports:
    """The delivery results of the records of one call, by their index."""

    def __init__(self) -> None:
        self.ended: dict[int, tuple[KafkaError | None, str]] = {}

    def add(self, place: int, error: KafkaError | None, message: "Message[Any, Any]") -> None:
        """Store the broker's result for a record."""
        self.ended[place] = (error, message.topic() or "")

    def refuse(self, place: int, error: KafkaError, topic: str) -> None:
        """Store the error of a record that is too large to be sent."""
        self.ended[place] = (error, topic)


def _produce(producer: Producer, record: Record, report: Report | None) -> None:
    producer.produce(record.topic, record.value, record.key, headers=wire_headers(record.headers), on_delivery=report)


def wire_headers(headers: Mapping[str, str]) -> list[tuple[str, str | bytes | None]]:
    """Headers in librdkafka's form; it encodes text as UTF-8."""
    return list(headers.items())


# the library returns a value and sets an exception, which a call by name leaves pending once it has been made often
_read = methodcaller("headers")


def headers_of(message: "Message[Any, Any]") -> dict[str, str]:
    """The headers of a record; empty when a name is not UTF-8, since the client library cannot read them then.

    Call it only once for a message: after such an error the library's list of headers has holes.
    """
    try:
        return read_headers(_read(message))
    except SystemError as error:
        place = f"{message.topic()} [{message.partition()}] at {message.offset()}"
        log.warning("%s: headers left out, a name is not UTF-8: %s", place, error)
        return {}


def record_bytes(record: Record) -> int:
    """An upper estimate of what librdkafka compares with message.max.bytes."""
    headers = sum(len(name.encode()) + len(value.encode()) + 10 for name, value in record.headers.items())
    return len(record.key or b"") + len(record.value or b"") + headers + 128


def fits(records: Sequence[Record]) -> bool:
    """Whether every record fits the size limit."""
    return all(record_bytes(record) <= MAX_MESSAGE_BYTES for record in records)
