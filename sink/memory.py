"""In-memory implementations of the ports for tests: same methods, same errors."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from schemas.ports import ObjectInfo, ObjectNotFound, ObjectTooLarge, Refused, StoredObject
from schemas.wire.records import Record
from sink.objects.uri import key_of, make_uri, split_uri


class MemoryObjectStore:
    """A bucket in a dictionary; may be used from several threads."""

    def __init__(self, bucket: str = "memory") -> None:
        self.bucket = bucket
        self._objects: dict[str, tuple[bytes, str]] = {}
        self._written: dict[str, datetime] = {}
        self._parts: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._others: dict[str, MemoryObjectStore] = {bucket: self}
        self._lock = threading.Lock()

    def uri(self, key: str) -> str:
        """The s3:// address of a key."""
        return make_uri(self.bucket, key)

    def key(self, uri: str) -> str:
        """The key of an s3:// address; raises ObjectRefused outside this bucket."""
        return key_of(self.bucket, uri)

    def elsewhere(self, uri: str) -> tuple["MemoryObjectStore", str]:
        """Another bucket, empty at first, and the key in it of an s3:// address; raises ObjectRefused."""
        bucket, key = split_uri(uri)
        return self._others.setdefault(bucket, MemoryObjectStore(bucket)), key

    def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
        """Write an object; with `if_absent` an existing one stays and False is returned."""
        with self._lock:
            if if_absent and key in self._objects:
                return False
            self._objects[key] = (bytes(body), content_type)
            self._written[key] = datetime.now(UTC)
        return True

    def put_stream(self, key: str, body: BinaryIO, *, content_type: str) -> ObjectInfo:
        """Write an object of unknown size; nothing remains when `body` raises."""
        data = b"".join(iter(lambda: body.read(1024 * 1024), b""))
        self.put(key, data, content_type=content_type)
        return ObjectInfo(self.uri(key), len(data), content_type)

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an object that is written in parts; returns its id."""
        with self._lock:
            parts_id = f"{key}-{uuid4().hex}"
            self._parts[parts_id] = (content_type, {})
        return parts_id

    def put_part(self, key: str, parts_id: str, number: int, body: bytes | bytearray) -> str:
        """Write a part and return its tag; raises ObjectNotFound when the object was made or aborted."""
        with self._lock:
            if parts_id not in self._parts:
                raise ObjectNotFound(self.uri(key))
            self._parts[parts_id][1][number] = bytes(body)
        return f'"{number}"'

    def finish_parts(self, key: str, parts_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of parts (number and tag); raises ObjectNotFound when it was made or aborted before."""
        with self._lock:
            if (found := self._parts.pop(parts_id, None)) is None:
                raise ObjectNotFound(self.uri(key))
        content_type, bodies = found
        self.put(key, b"".join(bodies[number] for number, _ in parts), content_type=content_type)

    def abort_parts(self, key: str, parts_id: str) -> None:  # noqa: ARG002 - as the port has it
        """Delete the parts of an object that was never made; no error if there are none."""
        with self._lock:
            self._parts.pop(parts_id, None)

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """The whole object; raises ObjectNotFound, ObjectTooLarge."""
        try:
            data, _ = self._objects[key]
        except KeyError:
            raise ObjectNotFound(self.uri(key)) from None
        if max_bytes is not None and len(data) > max_bytes:
            raise ObjectTooLarge(len(data), max_bytes)
        return data

    def part(self, key: str, first: int, size: int, piece: int = 1024 * 1024) -> Generator[bytes]:
        """`size` bytes of an object from the byte `first` on, in pieces; raises ObjectNotFound with the first piece."""
        data = self.get(key)[first : first + size]
        yield from (data[at : at + piece] for at in range(0, len(data), piece))

    def download(self, key: str, path: Path, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> None:
        """The object into a file; raises as `get` does, and what `check` raises before each MB; then there is no file."""
        data = self.get(key, max_bytes=max_bytes)
        for _ in range(0, len(data), 1024 * 1024):
            check()
        path.write_bytes(data)

    def info(self, key: str) -> ObjectInfo | None:
        """Metadata of an object, None if there is none."""
        found = self._objects.get(key)
        return ObjectInfo(self.uri(key), len(found[0]), found[1]) if found else None

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix."""
        with self._lock:
            found = sorted(key for key in self._objects if key.startswith(prefix))
        yield from found

    def listing(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix."""
        for key in self.keys(prefix):
            yield StoredObject(key, self._written[key])

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that follow a prefix up to the next slash."""
        rests = (key.removeprefix(prefix).partition("/") for key in self.keys(prefix))
        yield from sorted({name for name, slash, _ in rests if slash})

    def erase(self, prefix: str, spare: tuple[str, ...] = ()) -> int:
        """Delete all objects below a prefix, except those below a prefix in `spare`; returns their number."""
        doomed = [key for key in self.keys(prefix) if not key.startswith(spare)] if spare else list(self.keys(prefix))
        for key in doomed:
            self.delete(key)
        return len(doomed)

    def abort_uploads(self, before: datetime) -> int:  # noqa: ARG002 - as the port has it
        """Do nothing and return 0: no unfinished uploads exist here."""
        return 0

    def delete(self, key: str) -> None:
        """Delete an object; no error if there is none."""
        with self._lock:
            self._objects.pop(key, None)

    def presign_get(self, key: str, seconds: int) -> str:
        """An address of the right form, which no server answers."""
        return f"https://{self.bucket}.invalid/{key}?expires={seconds}"

    def presign_put(self, key: str, seconds: int, size_bytes: int) -> tuple[str, dict[str, str]]:  # noqa: ARG002 - as the port has it
        """The same for writing."""
        return self.presign_get(key, seconds), {"If-None-Match": "*"}


class MemoryPublisher:
    """A publisher whose records are kept in the order they came, in `records`; safe for many threads."""

    def __init__(self, max_bytes: int = 1_048_000) -> None:
        self.records: list[Record] = []
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def publish(self, *records: Record) -> None:
        """Store all records except those too large for a broker; raises Refused for these."""
        refused = []
        for place, record in enumerate(records):
            if len(record.key or b"") + len(record.value or b"") > self._max_bytes:
                refused.append(place)
                continue
            with self._lock:
                self.records.append(record)
        if refused:
            raise Refused(tuple(refused), f"the broker refuses the record ({records[refused[0]].topic})")
