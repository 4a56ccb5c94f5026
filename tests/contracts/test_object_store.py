"""One suite for every ObjectStore: what callers may rely on, whichever is behind the port."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from schemas.errors import Cancelled, Permanent
from schemas.ports import ObjectNotFound, ObjectStore, ObjectTooLarge, own_object
from sink.memory import MemoryObjectStore

KEY = "acme/0f/audio/recording.opus"


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjectStore()
    return cast("ObjectStore", request.getfixturevalue("object_store"))


def error_of(call: Callable[[], object]) -> Permanent:
    with pytest.raises(Permanent) as caught:
        call()
    return caught.value


def test_what_was_put_is_got_with_its_size_and_type(store: ObjectStore) -> None:
    assert store.put(KEY, b"sound", content_type="audio/ogg") is True
    assert store.get(KEY) == b"sound"
    info = store.info(KEY)
    assert info is not None
    assert (info.uri, info.size_bytes, info.content_type) == (store.uri(KEY), 5, "audio/ogg")


def test_an_object_may_be_empty(store: ObjectStore) -> None:
    store.put(KEY, b"", content_type="audio/wav")
    assert store.get(KEY, max_bytes=0) == b""


def test_a_second_put_replaces_the_first(store: ObjectStore) -> None:
    store.put(KEY, b"one", content_type="text/plain")
    assert store.put(KEY, b"two", content_type="text/plain") is True
    assert store.get(KEY) == b"two"


def test_if_absent_keeps_what_is_there(store: ObjectStore) -> None:
    assert store.put(KEY, b"one", content_type="text/plain", if_absent=True) is True
    assert store.put(KEY, b"two", content_type="text/plain", if_absent=True) is False
    assert store.get(KEY) == b"one"


def test_addresses_and_keys_belong_together(store: ObjectStore) -> None:
    assert store.uri(KEY).startswith("s3://")
    assert store.key(store.uri(KEY)) == KEY


@pytest.mark.parametrize(
    "uri",
    ["s3://another-bucket/acme/x", "https://memory/acme/x", "", "s3://", "file:///etc/passwd"],
)
def test_addresses_outside_the_bucket_are_refused(store: ObjectStore, uri: str) -> None:
    assert error_of(lambda: store.key(uri)).code == "source_refused"


@pytest.mark.parametrize("key", ["", "a//b", "/a", "a/", "a/../b", "./a", "a\nb", "a\x00b", "k" * 1025, "é" * 513])
def test_keys_that_are_not_plain_are_refused(store: ObjectStore, key: str) -> None:
    assert error_of(lambda: store.key(store.uri("") + key)).code == "source_refused"


@pytest.mark.parametrize("key", ["acme/שלום עולם.wav", "acme/a+b c%20d&e=f?g#h.mp3", "acme/" + "x" * 200])
def test_keys_may_hold_any_printable_text(store: ObjectStore, key: str) -> None:
    store.put(key, b"x", content_type="audio/wav")
    assert store.get(store.key(store.uri(key))) == b"x"
    assert list(store.keys("acme/")) == [key]


def test_another_bucket_is_read_by_its_address(store: ObjectStore) -> None:
    store.put(KEY, b"sound", content_type="audio/ogg")
    same, key = store.elsewhere(store.uri(KEY))
    assert same.get(key) == b"sound"
    absent, key = store.elsewhere("s3://no-such-bucket-of-ours/calls/x.wav")
    assert key == "calls/x.wav"
    assert error_of(lambda: absent.get(key)).code == "source_not_found"
    assert error_of(lambda: store.elsewhere("s3://bucket/a/../b")).code == "source_refused"


def test_a_missing_object_is_source_not_found(store: ObjectStore, tmp_path: Path) -> None:
    for error in (
        error_of(lambda: store.get(KEY)),
        error_of(lambda: store.download(KEY, tmp_path / "x", max_bytes=9)),
    ):
        assert (type(error), error.code) == (ObjectNotFound, "source_not_found")
    assert store.info(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_a_limit_is_kept_to_the_byte(store: ObjectStore, tmp_path: Path) -> None:
    store.put(KEY, b"12345", content_type="text/plain")
    assert store.get(KEY, max_bytes=5) == b"12345"
    for error in (
        error_of(lambda: store.get(KEY, max_bytes=4)),
        error_of(lambda: store.download(KEY, tmp_path / "x", max_bytes=4)),
    ):
        assert (type(error), error.code) == (ObjectTooLarge, "media_too_large")
        with pytest.raises(Permanent) as ours, own_object("kept: "):
            raise error
        assert (ours.value.code, ours.value.detail) == ("internal", "kept: 5 bytes, at most 4")
    assert list(tmp_path.iterdir()) == []


def test_a_download_replaces_the_file(store: ObjectStore, tmp_path: Path) -> None:
    store.put(KEY, b"12345", content_type="text/plain")
    path = tmp_path / "audio"
    path.write_bytes(b"older and longer")
    store.download(KEY, path, max_bytes=5)
    assert path.read_bytes() == b"12345"
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_is_stopped_on_the_way(store: ObjectStore, tmp_path: Path) -> None:
    """As when its job is cancelled; nothing remains of it."""
    store.put(KEY, bytes(4 * 1024 * 1024), content_type="audio/flac")
    looks: list[int] = []

    def check() -> None:
        looks.append(len(looks))
        if len(looks) == 2:
            raise Cancelled("as ordered")

    with pytest.raises(Cancelled):
        store.download(KEY, tmp_path / "x", max_bytes=2**30, check=check)
    assert len(looks) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 5, 8 * 1024 * 1024, 17 * 1024 * 1024 + 3])
def test_a_stream_of_unknown_size_arrives_whole(store: ObjectStore, tmp_path: Path, size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    info = store.put_stream(KEY, cast("BinaryIO", OnlyRead(io.BytesIO(data))), content_type="audio/flac")
    assert (info.uri, info.size_bytes, info.content_type) == (store.uri(KEY), size, "audio/flac")
    store.download(KEY, tmp_path / "x", max_bytes=size)
    assert (tmp_path / "x").read_bytes() == data


@pytest.mark.parametrize("after_bytes", [0, 5, 17 * 1024 * 1024])
def test_nothing_remains_of_a_stream_that_breaks(store: ObjectStore, after_bytes: int) -> None:
    broken = cast("BinaryIO", OnlyRead(io.BytesIO(bytes(after_bytes)), then=Permanent("media_too_large", "the upload")))
    assert error_of(lambda: store.put_stream(KEY, broken, content_type="audio/flac")).code == "media_too_large"
    assert store.info(KEY) is None
    assert list(store.keys("")) == []


def test_keys_are_those_below_the_prefix(store: ObjectStore) -> None:
    for key in ("a/1", "a/2/x", "ab/1", "b/1"):
        store.put(key, b"x", content_type="text/plain")
    assert sorted(store.keys("a/")) == ["a/1", "a/2/x"]
    assert sorted(store.keys("")) == ["a/1", "a/2/x", "ab/1", "b/1"]
    assert list(store.keys("c/")) == []


def test_deleting_twice_is_no_error(store: ObjectStore) -> None:
    store.put(KEY, b"x", content_type="text/plain")
    store.delete(KEY)
    store.delete(KEY)
    assert store.info(KEY) is None


class OnlyRead:
    """A stream with nothing but `read`, like a request's body; may end with an exception."""

    def __init__(self, inner: BinaryIO, then: Exception | None = None) -> None:
        self._inner = inner
        self._then = then

    def read(self, size: int = -1) -> bytes:
        chunk = self._inner.read(size)
        if self._then is not None and not chunk:
            raise self._then
        return chunk


def test_folders_are_what_follows_a_prefix(store: ObjectStore) -> None:
    for key in ("acme/uploads/1", "acme/0f/audio/x", "globex/1e/claims/y", "acme-2/x/y", "loose"):
        store.put(key, b"x", content_type="text/plain")
    assert sorted(store.folders("")) == ["acme", "acme-2", "globex"]
    assert sorted(store.folders("acme/")) == ["0f", "uploads"]
    assert list(store.folders("nobody/")) == []


def test_a_listing_tells_when_each_object_was_written(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    store.put("acme/1/audio/a", b"x", content_type="text/plain")
    store.put("acme/2/audio/b", b"x", content_type="text/plain")
    found = list(store.listing("acme/1/"))
    assert [item.key for item in found] == ["acme/1/audio/a"]
    assert before <= found[0].modified_at <= datetime.now(UTC) + timedelta(seconds=2)


def test_all_below_a_prefix_is_erased_but_what_is_spared(store: ObjectStore) -> None:
    keys = [
        f"acme/{job}/{kind}/{n}" for job in ("1", "11") for kind in ("audio", "claims", "transcripts") for n in "ab"
    ]
    for key in keys:
        store.put(key, b"x", content_type="text/plain")
    assert store.erase("acme/1/", ("acme/1/audio/", "acme/1/transcripts/")) == 2
    assert sorted(store.keys("acme/1/")) == sorted(k for k in keys if k.startswith("acme/1/") and "claims" not in k)
    assert store.erase("acme/1/") == 4
    assert store.erase("acme/1/") == 0
    assert sorted(store.keys("")) == sorted(k for k in keys if k.startswith("acme/11/"))


def test_a_part_is_read_in_pieces(store: ObjectStore) -> None:
    store.put(KEY, bytes(range(200)), content_type="audio/ogg")
    assert list(store.part(KEY, 10, 25, 10)) == [
        bytes(range(10, 20)),
        bytes(range(20, 30)),
        bytes(range(30, 35)),
    ]
    assert b"".join(store.part(KEY, 0, 200)) == store.get(KEY)
    assert list(store.part(KEY, 0, 0)) == []
    unread = store.part(KEY, 0, 200, 10)
    assert next(unread) == bytes(range(10))
    unread.close()
    with pytest.raises(ObjectNotFound):
        list(store.part("acme/none", 0, 1))
