"""Lenient fetching: skips unreadable batches, at which aiokafka, and so every app, would stop for good."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import ConsumerRecord

from schemas import metrics
from schemas.wire.headers import MAX_HEADER_CHARS, OWN
from schemas.wire.serde import MAX_ANSWERED_BYTES
from streams.kafka.record_batches import (
    Batch,
    BrokenBatch,
    Headers,
    ReadBatch,
    Unreadable,
    base_of,
    last_of_damaged,
    opened,
    records_of,
)

log = logging.getLogger(__name__)

CHECKSUM_TRIES = 3  # fetches of a batch whose checksum is wrong: it may have been damaged on its way here only
# Of keys, values and headers at one call: what a batch becomes once it is decompressed may be thousands of times as large
# as what was fetched, and the next records are made of it only when they are asked for.
MOST_AT_ONCE = 8_000_000
HEADER_BYTES = 200  # of memory that each header takes however short it is
MOST_KEY_BYTES = 1_000  # of a key that is kept although its record is too large
_REMEMBERED = 1_000


class Frames(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of a broker's response, not yet decoded."""

    _pos: int

    def __init__(self, data: bytes | None) -> None:
        super().__init__(data or b"")

    def _cache_next(self, *_: int) -> None:
        before = self._pos
        rest = len(self._buffer) - before
        length = int.from_bytes(self._buffer[before + 8 : before + 12], "big", signed=True) if rest >= 12 else 0
        if rest >= 12 and length <= 0:
            # there is no way to tell where the next one begins
            self._next_slice = memoryview(self._buffer)[before:]
            self._pos = len(self._buffer)
            return
        super()._cache_next()

    def next_frame(self) -> memoryview:
        """The bytes of the next batch, after `has_next` returned true."""
        frame = self._next_slice
        self._cache_next()
        return frame or memoryview(b"")


class LenientPartition(fetcher.PartitionRecords):  # type: ignore[misc]
    """The fetched records of a partition. Unreadable ones come as one record at the last of their offsets."""

    next_fetch_offset: int
    _damaged: dict[tuple[Any, int], int] = {}  # noqa: RUF012 - shared by all fetches on purpose

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        while self._records.has_next():
            frame = self._records.next_frame()
            try:
                batch = self._opened(frame)
            except BrokenBatch as error:
                last = base_of(frame) if error.last is None else error.last
                yield self._unreadable(frame, max(self.next_fetch_offset, last), error)
                continue
            if batch is None:
                return  # it is fetched again
            if not self._is_hidden(batch):
                yield from self._records_of(frame, batch)
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)

    def _opened(self, frame: memoryview) -> Batch | None:
        batch = opened(frame)
        if not self._check_crcs or batch.validate_crc():
            return batch
        place = (self._tp, base_of(frame))
        tries = self._damaged.pop(place, 0) + 1
        if tries < CHECKSUM_TRIES:
            if len(self._damaged) < _REMEMBERED:
                self._damaged[place] = tries
            return None
        raise BrokenBatch("its checksum is wrong", last_of_damaged(batch))

    def _records_of(self, frame: memoryview, batch: Batch) -> Iterator[ConsumerRecord]:
        last = batch.next_offset - 1
        try:
            for record in records_of(batch):
                if record.offset > last:
                    raise BrokenBatch(f"a record at offset {record.offset} in a batch that ends at {last}")
                # a compressed batch may begin before what was asked for, and a compacted one has holes
                if record.offset >= self.next_fetch_offset:
                    self.next_fetch_offset = record.offset + 1
                    yield self._delivered(record)
        except Exception as error:  # noqa: BLE001 - whatever a library says about such bytes
            if self.next_fetch_offset > last:
                log.warning("%s: behind offset %d: %s", self._tp, last, error)
            else:
                yield self._unreadable(frame, last, error)

    def _is_hidden(self, batch: Batch) -> bool:
        """Whether a batch belongs to an aborted transaction, or is a control batch of the broker."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and _is_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _unreadable(self, frame: memoryview, last: int, error: Exception) -> ConsumerRecord:
        first = self.next_fetch_offset
        self.next_fetch_offset = last + 1
        where = f"offset {last}" if first >= last else f"offsets {first} to {last}"
        value = Unreadable.truncated(bytes(frame), f"{where} cannot be read: {error or type(error).__name__}")
        log.error("%s: %s", self._tp, value.reason)
        return self._delivered(ReadBatch(last, int(time.time() * 1000), 0, None, value, ()))

    def _delivered(self, record: ReadBatch) -> ConsumerRecord:
        record = _small_enough(record)
        if isinstance(record.value, Unreadable):
            metrics.UNREADABLE.labels(topic=self._tp.topic).inc()
        sizes = (-1 if part is None else len(part) for part in (record.key, record.value))
        return ConsumerRecord(
            self._tp.topic,
            self._tp.partition,
            record.offset,
            record.timestamp,
            record.timestamp_type,
            record.key,
            record.value,
            record.checksum,
            *sizes,
            record.headers,
        )


class LenientResult(fetcher.FetchResult):  # type: ignore[misc]
    """The fetched records of a partition, returned in portions."""

    def getall(self, max_records: int | None = None) -> list[ConsumerRecord]:
        """The next records, limited in number and in bytes."""
        found: list[ConsumerRecord] = []
        size = 0
        while size < MOST_AT_ONCE and (max_records is None or len(found) < max_records):
            record = self.getone()
            if record is None:
                break
            found.append(record)
            size += size_of(record.key, record.value, record.headers)
        return found


def size_of(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """The approximate memory of a record's contents in bytes."""
    named = sum(HEADER_BYTES + len(name) + len(content or b"") for name, content in headers)
    return len(key or b"") + len(value or b"") + named


def _small_enough(record: ReadBatch) -> ReadBatch:
    """The record, reduced if it is too large to be inspected; of many headers only our own are kept."""
    if sum(len(name) + len(content or b"") for name, content in record.headers) > MAX_ANSWERED_BYTES:
        own = {n: c for n, c in record.headers if n in OWN and len(c or b"") <= MAX_HEADER_CHARS}
        record = replace(record, headers=tuple(own.items()))
    size = len(record.key or b"") + len(record.value or b"")
    if size <= MAX_ANSWERED_BYTES:
        return record
    key = record.key if len(record.key or b"") <= MOST_KEY_BYTES else None
    reason = f"key and value of {size} bytes, more than {MAX_ANSWERED_BYTES}"
    return replace(record, key=key, value=Unreadable.truncated(record.value or b"", reason))


def _is_abort_marker(batch: Batch) -> bool:
    try:
        return bool(ControlRecord.parse(next(records_of(batch)).key or b"") == ABORT_MARKER)
    except Exception:  # whatever a library says about a stranger's bytes
        log.exception("a control record that cannot be read at offset %d", batch.base_offset)
        return False


def install() -> None:
    """Install lenient fetching for every consumer of this process."""
    fetcher.MemoryRecords = Frames
    fetcher.PartitionRecords = LenientPartition
    fetcher.FetchResult = LenientResult
