"""Header names that are no UTF-8: their records are read like all others, compressed or not."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy

from streams.header_names import LenientRecords
from tests.integration.faust_process import RawName


def batch(compression: int, *names: str) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, 0, 1_000_000)
    for offset, name in enumerate(names):
        builder.append(offset, timestamp=1, key=b"\xff", value=None, headers=[(name, b"\xfe"), ("other", None)])
    return bytes(builder.build())


@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
def test_names_that_are_no_text_are_replaced_and_all_else_stays(compression: int) -> None:
    data = batch(compression, "שם", RawName(), "last")
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(data))
    records = LenientRecords(data + batch(compression, "second"))
    found = []
    while records.has_next():
        read = records.next_batch()
        assert read.validate_crc()
        found += [(r.offset, r.key, r.value, r.headers) for r in read]
    names = ["שם", "\ufffd\ufffd name", "last", "second"]
    rows = [[(name, b"\xfe"), ("other", None)] for name in names]
    assert found == [(offset, b"\xff", None, row) for offset, row in zip([0, 1, 2, 0], rows, strict=True)]
    assert records.next_batch() is None
