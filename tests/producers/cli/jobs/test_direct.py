"""A file on its way past REST: what it is called, and what stays of it when its record is refused."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from producers.cli.jobs.direct import _publish_with, source_of
from schemas.errors import Outage, Permanent, ScribeError
from sink.memory import MemoryObjectStore
from tests.samples import BARE_REQUEST


@pytest.mark.parametrize(("error", "left"), [(Permanent("result_too_large"), 0), (Outage("no answer"), 1)])
def test_a_refused_record_leaves_no_file_and_one_that_may_stand_keeps_it(
    tmp_path: Path, error: ScribeError, left: int
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIFF")
    store = MemoryObjectStore()

    def refuse() -> None:
        raise error

    with pytest.raises(type(error)):
        _publish_with(store, path, replace(BARE_REQUEST, source=source_of(path)), refuse)
    assert len(list(store.keys("acme/"))) == left


def test_a_file_is_named_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIFF")
    source = source_of(path)
    assert (source.sha256, source.size_bytes, source.name) == (hashlib.sha256(b"RIFF").hexdigest(), 4, "call.wav")
