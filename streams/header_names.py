"""Header names of strangers: Kafka takes any bytes, aiokafka dies of what is no UTF-8, and so would every app that met it."""

from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


class _LenientText(bytearray):
    """Bytes whose parts decode with replacement characters, never with an error."""

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _LenientText(part) if isinstance(key, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        """The text, with U+FFFD in place of what is none."""
        return super().decode(encoding, errors)


class LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch of records; names of headers are its only text, keys and values stay bytes."""

    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _LenientText):
            self._buffer = _LenientText(self._buffer)


class LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of a broker's answer. Read in Python, which is fast enough for records that are jobs."""

    def next_batch(self, *limits: int) -> Any:
        """The next batch, None behind the last one."""
        found = self._next_slice
        if found is None or len(found) < self.MIN_SLICE or found[self.MAGIC_OFFSET] < 2:
            return super().next_batch(*limits)
        self._cache_next()
        return LenientBatch(found)


def install() -> None:
    """Let every consumer of this process read header names leniently."""
    fetcher.MemoryRecords = LenientRecords
