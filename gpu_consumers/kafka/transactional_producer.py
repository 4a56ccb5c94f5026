"""Transactional producer: writes records and offsets together, and classifies each kind of failure."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from producers.kafka.publisher import TOO_LARGE, client_log, producer_config, translate, wire_headers
from schemas.errors import Fatal
from schemas.process.failpoints import failpoint
from schemas.settings.kafka import KafkaSettings
from schemas.wire.records import Record

TRANSACTION_TIMEOUT = 10.0  # seconds: a transaction holds only the final writes, never work on a job
STEP = 2.0  # seconds a single call may block the poll thread
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})


class TransactionFailed(Exception):
    """A transaction not known to be committed; `code` is that of the librdkafka error, if one is the cause."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(reason)


class Aborted(TransactionFailed):
    """The transaction left nothing behind and may be repeated; `too_large` are records refused by the broker."""

    def __init__(self, reason: str, code: int | None = None, too_large: Sequence[int] = ()) -> None:
        self.too_large = tuple(too_large)
        super().__init__(reason, code)


class Indefinite(TransactionFailed):
    """The transaction's end is unknown: open the producer again, then query the committed offsets of the group."""


@dataclass(frozen=True, slots=True)
class OffsetGroup:
    """Offsets that are committed under the same group metadata, captured when their partitions were assigned."""

    metadata: Any
    offsets: tuple[TopicPartition, ...]


class TransactionalProducer:
    """Producer of one transactional.id; belongs to the poll thread. One call blocks for little more than TRANSACTION_TIMEOUT."""

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        self._config = {
            **producer_config(settings, transactional_id),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(TRANSACTION_TIMEOUT * 1000),
        }
        self._id = transactional_id
        self._producer: Producer | None = None
        self._fenced = False
        self.is_open = False

    def open(self) -> None:
        """Take the transactional.id, which ends the last holder's open transaction; raises Outage: call again."""
        if self._fenced:
            raise self._fatal()
        if self.is_open:
            return
        self._producer = self._producer or Producer(self._config, logger=client_log)
        try:
            self._producer.init_transactions(STEP)
        except KafkaException as error:
            if not error.args[0].retriable():
                self._discard()
            raise translate(error) from error
        self.is_open = True

    def commit(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        """Write records and offsets, all or none; raises Aborted, Indefinite, or Fatal when the id is another's."""
        if self._producer is None or not self.is_open:
            raise Indefinite("the producer is not open")
        transaction = _Transaction(self._producer, time.monotonic())
        try:
            transaction.run(records, groups)
        except (KafkaException, BufferError) as error:
            self._fail(transaction, error)

    def close(self) -> None:
        """Release the id; an open transaction is left to its timeout or the next holder."""
        self._discard()

    def _fail(self, transaction: "_Transaction", error: KafkaException | BufferError) -> None:
        """Raise our error for `error`; the transaction is over in every case."""
        cause = _cause(error)
        if cause.fatal() or not cause.txn_requires_abort():
            self._give_up(transaction, cause)
        try:
            transaction.abort()
        except KafkaException as failed:
            self._give_up(transaction, _cause(failed))
        if isinstance(refused := translate(cause), Fatal):
            raise refused
        raise Aborted(f"{cause.name()}: {cause.str()}", cause.code(), transaction.too_large)

    def _give_up(self, transaction: "_Transaction", cause: KafkaError) -> None:
        self._discard()
        # the broker also fences the owner of a transaction that it timed out, but never so early
        if cause.code() in FENCED and transaction.age < TRANSACTION_TIMEOUT:
            self._fenced = True  # to take it back would end the other one
            raise self._fatal() from None
        raise Indefinite(f"{cause.name()}: {cause.str()}", cause.code())

    def _fatal(self) -> Fatal:
        return Fatal(f"another process uses the id '{self._id}': give each its own SCRIBE_WORKER_ID")

    def _discard(self) -> None:
        if self._producer is not None:
            # what waits to be sent would otherwise be flushed by the destructor
            self._producer.purge(blocking=False)
        self._producer, self.is_open = None, False


class _Transaction:
    """One transaction from begin to its end."""

    def __init__(self, producer: Producer, started: float) -> None:
        self._producer = producer
        self._began = started
        self._calls_since = started
        self.too_large: list[int] = []

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def run(self, records: Sequence[Record], groups: Sequence[OffsetGroup]) -> None:
        """Send the records first, the offsets last."""
        failpoint("gpu.before_begin")
        self._producer.begin_transaction()
        failpoint("gpu.after_begin")
        for index, record in enumerate(records):
            self._produce(index, record)
        failpoint("gpu.after_produce")
        for group in groups:
            self._repeat(_bounded, self._producer.send_offsets_to_transaction, list(group.offsets), group.metadata)
        failpoint("gpu.after_send_offsets")
        self._repeat(self._producer.commit_transaction)
        failpoint("gpu.after_commit")

    def _produce(self, index: int, record: Record) -> None:
        report = partial(self._delivered, index)
        try:
            self._producer.produce(
                record.topic, record.value, record.key, headers=wire_headers(record.headers), on_delivery=report
            )
        except KafkaException as error:
            cause = _cause(error)
            if cause.code() not in TOO_LARGE:
                raise
            # the client library refuses it before the transaction has met any trouble
            self.too_large.append(index)
            raise KafkaException(KafkaError(cause.code(), cause.str(), txn_requires_abort=True)) from error

    def abort(self) -> None:
        """Abort the transaction; raises KafkaException when even that fails."""
        self._calls_since = time.monotonic()
        self._repeat(self._producer.abort_transaction)

    def _repeat(self, call: Callable[..., None], *args: Any) -> None:
        """Repeat a call after a retriable error, as the operation continues in the background."""
        while True:
            try:
                return call(*args, STEP)
            except KafkaException as error:
                cause = _cause(error)
                if not cause.retriable() or time.monotonic() - self._calls_since > TRANSACTION_TIMEOUT:
                    raise

    def _delivered(self, index: int, error: KafkaError | None, _message: object) -> None:
        if error is not None and error.code() in TOO_LARGE:
            self.too_large.append(index)


def _bounded(call: Callable[..., None], *args: Any) -> None:
    """Call with a deadline of our own: librdkafka 2.16 may wait for a lost group coordinator for ever (its #5456).

    The thread of a call that never ends stays behind with its producer, which the next holder of the id fences.
    """
    ended: Future[None] = Future()

    def run() -> None:
        try:
            call(*args)
            ended.set_result(None)
        # it belongs to the thread that waits
        except BaseException as error:  # noqa: BLE001
            ended.set_exception(error)

    Thread(target=run, name="send-offsets", daemon=True).start()
    try:
        return ended.result(TRANSACTION_TIMEOUT)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the group coordinator is away")) from None


def _cause(error: BaseException) -> KafkaError:
    cause = error.args[0] if error.args else None
    if isinstance(cause, KafkaError):
        return cause
    # a full local queue, the only other thing that produce raises
    return KafkaError(KafkaError._QUEUE_FULL, str(error), txn_requires_abort=True)
