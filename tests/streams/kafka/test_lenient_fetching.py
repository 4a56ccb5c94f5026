"""Batches of all clients and batches that nobody could have meant: what can be read is, the rest is one record with a reason."""

import struct
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.record.legacy_records import _LegacyRecordBatchBuilderPy
from aiokafka.structs import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.headers import TRACEPARENT
from schemas.wire.serde import MAX_ANSWERED_BYTES
from streams.kafka.lenient_fetching import (
    CHECKSUM_TRIES,
    MOST_AT_ONCE,
    Frames,
    LenientPartition,
    LenientResult,
    size_of,
)
from streams.kafka.record_batches import KEPT_BYTES, MOST_HEADERS, MOST_RECORDS, Unreadable
from tests.streams.batches import CODECS, COUNT, HEAD, LAST_DELTA, New, batch, compressed, sealed, varint, zstd

TP = TopicPartition("t", 0)
GOOD = (New(b"a" * 3000, b"\xff", [("name", b"\xfe"), ("name", None), ("", b"")]), New(None, None), New(b"", b"", []))


class RawName(str):
    """A header name that is written as other bytes than its text."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return b"\xff\xfe name"


def fetched(data: bytes | None, start: int = 0, aborted: Any = None) -> LenientPartition:
    return LenientPartition(TP, Frames(data), aborted, start, None, None, True, 1)


def rows(records: list[ConsumerRecord]) -> list[tuple[int, Any, Any]]:
    return [(r.offset, r.key, "unreadable" if isinstance(r.value, Unreadable) else r.value) for r in records]


@pytest.mark.parametrize("codec", CODECS)
def test_records_of_every_codec_are_read_as_they_are(codec: str) -> None:
    number, pack = CODECS[codec]
    plain = batch(*GOOD, New(b"x" * 200_000), New(headers=[(RawName(), b"1")]), base=5)
    partition = fetched(compressed(plain, number, pack(plain[HEAD:])) + batch(New(b"next"), base=10), 5)
    found = list(partition)
    assert rows(found[:3]) == [(5, b"\xff", b"a" * 3000), (6, None, None), (7, b"", b"")]
    assert found[0].headers == (("name", b"\xfe"), ("name", None), ("", b""))
    assert found[4].headers == (("\ufffd\ufffd name", b"1"),)
    assert (rows(found[5:]), partition.next_fetch_offset) == ([(10, b"key", b"next")], 11)


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1, 2])
def test_messages_of_the_old_formats_are_read(magic: Any, codec: int) -> None:
    builder = _LegacyRecordBatchBuilderPy(magic, codec, 100_000)
    for offset in range(1 if not codec else 3):
        builder.append(offset, 7, b"k", b"v" * 50)
    data = bytes(builder.build())
    if codec:  # as a broker keeps it, by its last offset
        data = struct.pack(">q", 2) + data[8:]
    assert [r.offset for r in fetched(data)] == ([0, 1, 2] if codec else [0])


def bomb(size: int) -> bytes:
    return zstd(bytes(size))


PLAIN = batch(*GOOD, base=5)
BODY = PLAIN[HEAD:]
LONG = varint(2**40)
BROKEN: dict[str, bytes] = {
    "an unknown codec": compressed(PLAIN, 7, BODY),
    "no gzip": compressed(PLAIN, 1, b"nonsense"),
    "gzip that is cut off": compressed(PLAIN, 1, CODECS["gzip"][1](BODY)[:-9]),
    "no snappy": compressed(PLAIN, 2, b"\xff" * 40),
    "snappy that claims 4 GB": compressed(PLAIN, 2, b"\xff\xff\xff\xff\x0f" + b"\0" * 40),
    "a block of Java's snappy of -4 bytes": compressed(PLAIN, 2, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, -4)),
    "a block of Java's snappy that is cut off": compressed(PLAIN, 2, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, 99)),
    "no lz4": compressed(PLAIN, 3, b"nonsense"),
    "lz4 that is cut off": compressed(PLAIN, 3, CODECS["lz4"][1](BODY)[:-9]),
    "no zstd": compressed(PLAIN, 4, b"nonsense"),
    "zstd that becomes a gigabyte": compressed(PLAIN, 4, bomb(1 << 30)),
    "gzip that becomes 100 MB": compressed(PLAIN, 1, CODECS["gzip"][1](bytes(100 << 20))),
    "lz4 that becomes 100 MB": compressed(PLAIN, 3, CODECS["lz4"][1](bytes(100 << 20))),
    "nothing in it": compressed(PLAIN, 4, b""),
    "a record of -1 bytes": compressed(PLAIN, 0, varint(-1) + BODY),
    "a record longer than the batch": compressed(PLAIN, 0, varint(2**31) + BODY),
    "a length that does not end": compressed(PLAIN, 0, b"\xff" * 30),
    "a record at an offset of another batch": compressed(PLAIN, 0, b"\x10\0\0" + varint(99) + BODY),
    "more records than any batch": sealed(PLAIN[:COUNT] + struct.pack(">i", MOST_RECORDS + 1) + BODY),
    "fewer than no records": sealed(PLAIN[:COUNT] + struct.pack(">i", -1) + BODY),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_batch_that_cannot_be_read_is_one_record_at_its_last_offset(what: str) -> None:
    partition = fetched(BROKEN[what] + batch(New(b"next"), base=8), 5)
    found = list(partition)
    assert rows(found) == [(7, None, "unreadable"), (8, b"key", b"next")]
    value = found[0].value
    assert bytes(value) == BROKEN[what][:KEPT_BYTES]
    assert value.reason.startswith("offsets 5 to 7 cannot be read: ")
    assert partition.next_fetch_offset == 9


def test_the_records_before_what_cannot_be_read_are_handed_on() -> None:
    data = sealed(PLAIN[:-4] + b"\xff" * 4, base=5)
    assert rows(list(fetched(data, 5)))[:2] == [(5, b"\xff", b"a" * 3000), (6, None, None)]
    assert rows(list(fetched(data, 5)))[2:] == [(7, None, "unreadable")]


def record(*parts: bytes, offset: int = 1) -> bytes:
    body = b"\0\0" + varint(offset) + b"".join(parts)
    return varint(len(body)) + body


@pytest.mark.parametrize(
    "parts",
    [
        (LONG, b"key"),
        (varint(-1), LONG, b"value"),
        (varint(-1), varint(-1), varint(-1)),
        (varint(-1), varint(-1), varint(MOST_HEADERS + 1), b"\0\1" * (MOST_HEADERS + 1)),
        (varint(-1), varint(-1), varint(1), varint(-1), varint(-1)),
        (varint(-1), varint(-1), varint(0), b"rest"),
        (b"\xff" * 12,),
        (),
    ],
    ids=["key", "value", "fewer than no headers", "headers", "header without name", "rest", "number", "empty"],
)
def test_a_record_that_cannot_be_read_costs_its_neighbours_nothing(parts: tuple[bytes, ...]) -> None:
    first, third = (
        record(varint(-1), varint(0), varint(0), offset=0),
        record(varint(-1), varint(0), varint(0), offset=2),
    )
    data = compressed(batch(*GOOD), 4, zstd(first + record(*parts) + third))
    assert rows(list(fetched(data))) == [(0, None, b""), (1, None, "unreadable"), (2, None, b"")]


def test_what_stands_behind_the_last_record_changes_nothing() -> None:
    found = list(fetched(sealed(batch(*GOOD) + b"rest")))
    assert [offset for offset, _, value in rows(found) if value != "unreadable"] == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 2], ids=["none", "some"])
def test_offsets_that_compaction_left_out_are_passed_over(count: int) -> None:
    data = bytearray(batch(*GOOD[:count], base=4))
    struct.pack_into(">i", data, LAST_DELTA, 9)
    partition = fetched(sealed(data), 4)
    assert (len(list(partition)), partition.next_fetch_offset) == (count, 14)


@pytest.mark.parametrize("consistent", [True, False])
def test_a_wrong_checksum_is_fetched_again_before_it_is_believed(consistent: bool) -> None:
    data = bytearray(batch(*GOOD, base=5))
    data[-1] ^= 1
    if not consistent:
        struct.pack_into(">i", data, LAST_DELTA, 2**31 - 1)
    for _ in range(CHECKSUM_TRIES - 1):
        partition = fetched(bytes(data), 5)
        assert (list(partition), partition.next_fetch_offset) == ([], 5)
    partition = fetched(bytes(data), 5)
    last = 7 if consistent else 5  # a head that may be wrong too must not lead past other records
    assert rows(list(partition)) == [(last, None, "unreadable")]
    assert partition.next_fetch_offset == last + 1


def framed(length: int, base: int = 5, magic: int = 2) -> bytes:
    return struct.pack(">qiib", base, length, 0, magic) + bytes(60)


@pytest.mark.parametrize(
    "data",
    [framed(-5), framed(0), framed(3), framed(20), framed(65, magic=3), framed(65, magic=127), framed(5, magic=1)],
    ids=["negative", "none", "tiny", "cut", "format 3", "format 127", "old"],
)
def test_a_frame_that_is_none_is_passed_by_one_offset(data: bytes) -> None:
    partition = fetched(data, 5)
    assert rows(list(partition))[0] == (5, None, "unreadable")
    assert partition.next_fetch_offset > 5


@pytest.mark.parametrize("data", [None, b"", b"\0" * 11, batch(*GOOD)[:-1]], ids=["null", "empty", "head", "cut"])
def test_a_batch_that_has_not_come_whole_is_waited_for(data: bytes | None) -> None:
    assert not Frames(data).has_next()


def test_aborted_transactions_and_markers_stay_hidden_whatever_is_in_them() -> None:
    marker = batch(New(b"", struct.pack(">hh", 0, 0)), base=3, attributes=0x30, producer=9)
    aborted = compressed(batch(*GOOD, attributes=0x10, producer=9), 7, b"nonsense")
    broken_marker = compressed(batch(New(b""), base=4, attributes=0x30, producer=9), 0, b"\xff" * 20)
    good = batch(New(b"good"), base=5, attributes=0x10, producer=9)
    partition = fetched(aborted + marker + broken_marker + good, aborted=[(9, 0)])
    assert rows(list(partition)) == [(5, b"key", b"good")]


def test_a_restart_within_a_batch_brings_nothing_twice() -> None:
    assert rows(list(fetched(PLAIN, 7))) == [(7, b"", b"")]
    assert rows(list(fetched(BROKEN["no zstd"], 7))) == [(7, None, "unreadable")]


VALID = compressed(PLAIN, 4, zstd(BODY))


@given(st.sampled_from([PLAIN, VALID]), st.data())
def test_no_change_of_a_batch_stops_its_partition(valid: bytes, data: st.DataObject) -> None:
    """With a checksum that holds, for else nothing of it would be looked at."""
    made = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 5))):
        made[data.draw(st.integers(HEAD - 4, len(made) - 1))] = data.draw(st.integers(0, 255))
    partition = fetched(sealed(made[: data.draw(st.integers(HEAD, len(made)))]) + batch(New(b"next"), base=8), 5)
    found = rows(list(partition))
    assert [offset for offset, _, _ in found] == sorted({offset for offset, _, _ in found})
    assert (found[-1], partition.next_fetch_offset) == ((8, b"key", b"next"), 9)


@dataclass
class State:
    """Of a partition, as aiokafka keeps it."""

    position: int
    paused: bool = False

    def consumed_to(self, position: int) -> None:
        self.position = position


LARGE = bytes(MAX_ANSWERED_BYTES + 1)
CROWD = [(f"{n:04}", bytes(1000)) for n in range(4500)]


@pytest.mark.parametrize(
    "large", [New(LARGE, b"key"), New(b"value", LARGE), New(LARGE, LARGE)], ids=["value", "key", "both"]
)
def test_nothing_far_too_large_to_be_an_event_is_kept_in_memory(large: New) -> None:
    first, second = fetched(compressed(plain := batch(large, New(b"next")), 4, zstd(plain[HEAD:])))
    assert rows([first, second]) == [(0, None if large.key == LARGE else b"key", "unreadable"), (1, b"key", b"next")]
    assert size_of(first.key, first.value, first.headers) <= KEPT_BYTES + 1000
    assert f"more than {MAX_ANSWERED_BYTES}" in first.value.reason


def test_of_far_too_many_headers_the_services_own_are_kept_and_the_job_is_done() -> None:
    [record] = fetched(batch(New(b"value", b"key", [(TRACEPARENT, b"old"), *CROWD, (TRACEPARENT, b"new")])))
    assert (record.key, record.value, record.headers) == (b"key", b"value", ((TRACEPARENT, b"new"),))


@pytest.mark.parametrize("kind", [New(bytes(3_000_000)), New(b"", bytes(3_000_000)), New(b"", b"", CROWD[:3500])])
def test_a_batch_of_a_few_kilobytes_is_handed_on_in_portions_of_a_few_megabytes(kind: New) -> None:
    plain = batch(*[kind] * 8)
    partition = fetched(compressed(plain, 4, zstd(plain[HEAD:])))
    state = State(0)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    result = LenientResult(TP, assignment=assignment, partition_records=partition, backoff=0)
    portions = []
    while result.has_more():
        portions.append(found := result.getall(500))
        assert sum(size_of(r.key, r.value, r.headers) for r in found[:-1]) < MOST_AT_ONCE
        assert state.position == (found or portions[-2])[-1].offset + 1
    assert [record.offset for portion in portions for record in portion] == list(range(8))
    assert max(map(len, portions)) <= 3
    assert not result.has_more()


def test_no_more_records_are_handed_on_than_are_asked_for() -> None:
    state = State(5)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    result = LenientResult(TP, assignment=assignment, partition_records=fetched(PLAIN, 5), backoff=0)
    assert [[r.offset for r in result.getall(2)] for _ in range(2)] == [[5, 6], [7]]
    assert not result.has_more()
