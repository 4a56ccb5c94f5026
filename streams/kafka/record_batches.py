"""Parser of raw record batches: each readable record, and a reason for unreadable parts."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.legacy_records import _LegacyRecordBatchPy

from streams.kafka.decompression import decompressed

# One batch may become that many records, as many as librdkafka puts into one, and one record may have that many headers:
# each takes some hundred bytes of memory however few it has on the wire, and each record its own dead letter.
MOST_RECORDS = 10_000
MOST_HEADERS = 50_000
MOST_VARINT = 10  # bytes of a number of 64 bits
KEPT_BYTES = 500_000  # of what cannot be read: a dead letter has room for it
_BASE = struct.Struct(">q")
_MAGIC_AT = 16
_HEAD_BYTES = 61
_LOG_OVERHEAD = 12  # of offset and length, which the length does not count


Headers = tuple[tuple[str, bytes | None], ...]


class BrokenBatch(ValueError):
    """A batch, or its rest, is unreadable; `last` is its last offset where that is known."""

    def __init__(self, reason: str, last: int | None = None) -> None:
        self.last = last
        super().__init__(reason)


class Unreadable(bytes):
    """Unreadable bytes in place of a value, with the reason. A type of its own, so no producer can write one."""

    reason: str

    @classmethod
    def truncated(cls, data: bytes, reason: str) -> "Unreadable":
        """The beginning of `data`, cut to the room in a dead letter."""
        made = cls(data[:KEPT_BYTES])
        cut = f" (the first {KEPT_BYTES} of {len(data)} bytes)" if len(data) > KEPT_BYTES else ""
        made.reason = f"{reason}{cut}"
        return made


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A record as aiokafka returns it; its value is Unreadable where it cannot be read."""

    offset: int
    timestamp: int | None
    timestamp_type: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    checksum: int | None = None


class LegacyBatch(_LegacyRecordBatchPy):  # type: ignore[misc]
    """A message in a format before 0.11, which old segments still contain."""

    base_offset = -1
    magic = 1

    def _decompress(self, key_offset: int) -> bytes:
        _, value = self._read_key_value(key_offset)
        return decompressed(self._compression_type, value or b"")

    def _read_all_headers(self) -> Any:
        position = 0
        found: list[Any] = []
        while position < len(self._buffer):
            header = self._read_header(position)
            # a negative length would lead back for ever
            if header[1] <= 0 or len(found) >= MOST_RECORDS:
                raise BrokenBatch(f"a message of {header[1]} bytes behind {len(found)} others")
            found.append((header, position))
            position += self.LOG_OVERHEAD + header[1]
        return found


Batch = Any
"""_DefaultRecordBatchPy or LegacyBatch: what aiokafka asks of both."""


def base_of(frame: memoryview) -> int:
    """The first offset of a batch, or -1 if the batch is too short."""
    return int(_BASE.unpack_from(frame)[0]) if len(frame) >= _BASE.size else -1


def opened(frame: memoryview) -> Batch:
    """The batch in a frame with its header parsed; raises BrokenBatch when there is none."""
    if len(frame) <= _MAGIC_AT:
        raise BrokenBatch(f"a batch of {len(frame)} bytes")
    magic = frame[_MAGIC_AT]
    if magic > 2:
        raise BrokenBatch(f"unknown record format {magic}")
    try:
        batch = _DefaultRecordBatchPy(frame) if magic == 2 else LegacyBatch(frame, magic)
    except (struct.error, AssertionError) as error:
        raise BrokenBatch(f"the head of the batch is cut off or wrong: {error}") from error
    if batch.magic == 2 and batch._header_data[1] != len(frame) - _LOG_OVERHEAD:
        raise BrokenBatch(f"a batch that says it has {batch._header_data[1]} bytes")
    if batch.next_offset <= base_of(frame):
        raise BrokenBatch("the batch ends before it begins")
    return batch


def last_of_damaged(batch: Batch) -> int | None:
    """The last offset of a batch with a wrong checksum, None if even its header is inconsistent."""
    if isinstance(batch, LegacyBatch):
        return int(batch.next_offset) - 1
    agrees = batch.last_offset_delta == batch._num_records - 1 < MOST_RECORDS
    return int(batch.next_offset) - 1 if agrees else None


def records_of(batch: Batch) -> Iterator[ReadBatch]:
    """The records of a batch in order; raises BrokenBatch or Undecompressible where nothing more can be read."""
    if isinstance(batch, LegacyBatch):
        return (ReadBatch(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, (), r.checksum) for r in batch)
    return _current(batch)


def _current(batch: _DefaultRecordBatchPy) -> Iterator[ReadBatch]:
    count = batch._num_records
    if not 0 <= count <= MOST_RECORDS:
        raise BrokenBatch(f"{count} records in one batch")
    if not count:  # what compaction leaves
        return
    body = decompressed(batch.compression_type, bytes(memoryview(batch._buffer)[_HEAD_BYTES:]))
    position = 0
    for _ in range(count):
        length, position = _varint(body, position, len(body))
        end = position + length
        if length <= 0 or end > len(body):
            raise BrokenBatch(f"a record of {length} bytes where {len(body) - position} are left")
        yield _record(batch, body, position, end)
        position = end
    if rest := len(body) - position:
        raise BrokenBatch(f"{rest} bytes behind the last record")


def _record(batch: _DefaultRecordBatchPy, body: bytes, start: int, end: int) -> ReadBatch:
    delta, position = _varint(body, start + 1, end)  # behind the attributes, of which none is in use
    offset, position = _varint(body, position, end)
    if not 0 <= offset <= batch.last_offset_delta:
        raise BrokenBatch(f"a record at offset {offset} of its batch, which has {batch.last_offset_delta + 1}")
    appended = batch.timestamp_type == batch.LOG_APPEND_TIME
    timestamp = batch.max_timestamp if appended else batch.first_timestamp + delta
    key: bytes | None = None
    headers: Headers = ()
    try:
        key, value, headers = _contents(body, position, end)
    except BrokenBatch as error:
        # its length holds, so that those behind it can be read
        value = Unreadable.truncated(body[start:end], f"a record that cannot be read: {error}")
    return ReadBatch(batch.base_offset + offset, timestamp, batch.timestamp_type, key, value, headers)


def _contents(body: bytes, position: int, end: int) -> tuple[bytes | None, bytes | None, Headers]:
    key, position = _bytes(body, position, end)
    value, position = _bytes(body, position, end)
    count, position = _varint(body, position, end)
    if not 0 <= count <= MOST_HEADERS:
        raise BrokenBatch(f"{count} headers")
    headers = []
    for _ in range(count):
        name, position = _bytes(body, position, end)
        if name is None:
            raise BrokenBatch("a header without a name")
        content, position = _bytes(body, position, end)
        # Kafka takes any bytes as a name
        headers.append((name.decode("utf-8", "replace"), content))
    if position != end:
        raise BrokenBatch(f"{end - position} bytes behind its headers")
    return key, value, tuple(headers)


def _bytes(body: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    """Length-prefixed bytes; any negative length means none, as in Kafka's own reader."""
    length, position = _varint(body, position, end)
    if length < 0:
        return None, position
    if length > end - position:
        raise BrokenBatch(f"{length} bytes where {end - position} are left")
    return body[position : position + length], position + length


def _varint(body: bytes, position: int, end: int) -> tuple[int, int]:
    """A number in zigzag encoding and its end position."""
    found = shift = 0
    for at in range(position, min(end, position + MOST_VARINT)):
        byte = body[at]
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (found >> 1) ^ -(found & 1), at + 1
        shift += 7
    raise BrokenBatch("a number that does not end")
