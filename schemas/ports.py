"""Ports between logic and outside systems; adapters in `sink` and `producers` implement them."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from schemas.errors import Permanent, Transient
from schemas.events import Entity
from schemas.transcript import Transcript
from schemas.wire.records import Record


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object in the store: its s3:// address and size in bytes."""

    uri: str
    size_bytes: int
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing, with its last modification."""

    key: str
    modified_at: datetime


class ObjectError(Permanent):
    """An object cannot be read; its code applies to a client's source, see `own_object` for our own objects."""


class ObjectRefused(ObjectError):
    """An address does not denote an object of this store."""

    def __init__(self, detail: str) -> None:
        super().__init__("source_refused", detail)


class ObjectNotFound(ObjectError):
    """An object does not exist, or may not be read by this service."""

    def __init__(self, detail: str) -> None:
        super().__init__("source_not_found", detail)


class ObjectTooLarge(ObjectError):
    """An object exceeds the requested limit of bytes."""

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__("media_too_large", f"{size_bytes} bytes, at most {max_bytes}")


@contextmanager
def own_object(saying: str = "") -> Iterator[None]:
    """Context for reading the service's own objects: errors become internal, and are not the client's fault."""
    try:
        yield
    except ObjectError as error:
        raise Permanent("internal", f"{saying}{error.detail}") from error


class ObjectStore(Protocol):
    """An S3-like store. Keys are relative to its bucket; every method raises Outage when the store is away."""

    def uri(self, key: str) -> str:
        """The s3:// address of a key."""

    def key(self, uri: str) -> str:
        """The key of an s3:// address; raises ObjectRefused outside this bucket."""

    def elsewhere(self, uri: str) -> tuple["ObjectStore", str]:
        """The bucket and key of an s3:// address under the same credentials, for reading only.

        What such a bucket refuses is no outage but an ObjectError, and trouble in it SourceFailed; raises
        ObjectRefused for keys that are not plain.
        """

    def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
        """Write an object; with `if_absent` an existing one stays and False is returned."""

    def put_stream(self, key: str, body: BinaryIO, *, content_type: str) -> ObjectInfo:
        """Write an object of unknown size in parts; nothing remains when `body` raises."""

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an object that is written in parts, which may take days and several processes; returns its id."""

    def put_part(self, key: str, parts_id: str, number: int, body: bytes | bytearray) -> str:
        """Write a part, all but the last of 5 MB and more, and return its tag; raises ObjectNotFound when it was ended."""

    def finish_parts(self, key: str, parts_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of parts (number and tag, in order); raises ObjectNotFound when it was ended before."""

    def abort_parts(self, key: str, parts_id: str) -> None:
        """Delete the parts of an object that was never made; no error if there are none."""

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """The whole object; raises ObjectNotFound, ObjectTooLarge, ObjectError(source_unreachable)."""

    def part(self, key: str, first: int, size: int, piece: int = 1024 * 1024) -> Generator[bytes]:
        """`size` bytes of an object from the byte `first` on, in pieces; raises ObjectNotFound with the first piece.

        Whoever does not read it to its end closes it.
        """

    def download(self, key: str, path: Path, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> None:
        """The object into a file; raises as `get` does, and OSError when the disk has no room; then there is no file.

        `check` is called before every MB; what it raises stops the download and passes.
        """

    def info(self, key: str) -> ObjectInfo | None:
        """Metadata of an object, None if there is none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix."""

    def listing(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that follow a prefix up to the next slash, such as the tenants for an empty one."""

    def delete(self, key: str) -> None:
        """Delete an object; no error if there is none."""

    def erase(self, prefix: str, spare: tuple[str, ...] = ()) -> int:
        """Delete all objects below a prefix in all versions, except below prefixes in `spare`; returns how many."""

    def abort_uploads(self, before: datetime) -> int:
        """Abort multipart uploads that were begun before a time and never finished; returns their number."""

    def presign_get(self, key: str, seconds: int) -> str:
        """An address that anybody may read for so long."""

    def presign_put(self, key: str, seconds: int, size_bytes: int) -> tuple[str, dict[str, str]]:
        """An address to which anybody may write an object of that size, once, and the headers that go with it."""


class Refused(Permanent):
    """The broker will never accept some of the records, and has all others. `places` are those of the refused ones."""

    def __init__(self, places: tuple[int, ...], detail: str) -> None:
        self.places = places
        super().__init__("result_too_large", detail)


class RecordPublisher(Protocol):
    """Sends records outside of transactions and confirms each."""

    def publish(self, *records: Record) -> None:
        """Send the records and wait for the broker's confirmation; raises Outage, or Refused for records too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementQuery:
    """A request to the enhanced-AI service about a transcript; every call's Idempotency-Key includes `question`."""

    enhancement_id: UUID
    run: int = 1
    """That of the job: its transcript may be another one."""
    tenant: str
    job_id: UUID
    transcript: Transcript
    summarization: bool
    entity_extraction: bool
    model: str | None = None

    @property
    def question(self) -> str:
        """The enhancement's id, with the run number from the second run on: equal questions have equal text."""
        return str(self.enhancement_id) if self.run == 1 else f"{self.enhancement_id}/{self.run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementOutput:
    """Output of an enhancement: entities with times in seconds, and the paid tokens, stored answers included."""

    summary: str | None
    entities: tuple[Entity, ...]
    model: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """One checked answer of the service as it is stored: its text and its cost in tokens."""

    text: str
    tokens: int


class Answers(Protocol):
    """Store of answers to the steps of one enhancement, durable so that a crash repeats none."""

    async def find(self, step: str) -> KeptAnswer | None:
        """The stored answer to a step, from an earlier try."""

    async def keep(self, step: str, answer: KeptAnswer) -> None:
        """Store an answer durably; raises Outage."""


class Throttled(Transient):
    """The service asks to wait; `retry_after` in seconds, None when it gave no time."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class Enhancer(Protocol):
    """An enhanced-AI service."""

    async def enhance(self, ask: EnhancementQuery, answers: Answers) -> EnhancementOutput:
        """The requested output; raises Permanent, Transient (Throttled when asked to wait) or Outage."""
