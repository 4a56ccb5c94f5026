"""The seams between logic and outside systems; adapters in `sink` and `producers` implement them."""

from collections.abc import Callable, Iterator
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
    """An object in a listing, and when it was written."""

    key: str
    modified_at: datetime


class ObjectError(Permanent):
    """An object cannot be read; its code is what that means to a client whose source it is, see `own_object`."""


class ObjectRefused(ObjectError):
    """An address is none of an object of this store."""

    def __init__(self, detail: str) -> None:
        super().__init__("source_refused", detail)


class ObjectNotFound(ObjectError):
    """There is no such object, or none that this service may read."""

    def __init__(self, detail: str) -> None:
        super().__init__("source_not_found", detail)


class ObjectTooLarge(ObjectError):
    """An object has more bytes than were asked for at most."""

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__("media_too_large", f"{size_bytes} bytes, at most {max_bytes}")


@contextmanager
def own_object(saying: str = "") -> Iterator[None]:
    """While an object is read that this service keeps: what is wrong with it is internal, and no client's fault."""
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
        """The bucket of an s3:// address under the same credentials, and its key, to be read only.

        What such a bucket refuses is no outage but an ObjectError, and trouble in it SourceFailed; raises
        ObjectRefused for keys that are not plain.
        """

    def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
        """Write an object; with `if_absent` an existing one stays and False is returned."""

    def put_stream(self, key: str, body: BinaryIO, *, content_type: str) -> ObjectInfo:
        """Write an object of unknown size in parts; nothing remains when `body` raises."""

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """The whole object; raises ObjectNotFound, ObjectTooLarge, ObjectError(source_unreachable)."""

    def download(self, key: str, path: Path, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> None:
        """The object into a file; raises as `get` does, and OSError when the disk has no room; then there is no file.

        `check` is called before every MB; what it raises stops the download and passes.
        """

    def info(self, key: str) -> ObjectInfo | None:
        """What is known of an object, None if there is none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix."""

    def listing(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that follow a prefix up to the next slash, such as the tenants for an empty one."""

    def delete(self, key: str) -> None:
        """Delete an object; no error if there is none."""

    def erase(self, prefix: str, spare: tuple[str, ...] = ()) -> int:
        """Delete all objects below a prefix in all their versions, but those below a prefix in `spare`; how many."""

    def abort_uploads(self, before: datetime) -> int:
        """End uploads in parts that were begun before a time and never finished; how many."""

    def presign_get(self, key: str, seconds: int) -> str:
        """An address that anybody may read for so long."""


class Refused(Permanent):
    """The broker will never take some of the records; it has all the others. `places` are those of the refused ones."""

    def __init__(self, places: tuple[int, ...], detail: str) -> None:
        self.places = places
        super().__init__("result_too_large", detail)


class RecordPublisher(Protocol):
    """Sends records outside of transactions and confirms each."""

    def publish(self, *records: Record) -> None:
        """Send and wait until the broker has them all; raises Outage, or Refused when only those too large are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementQuery:
    """What the enhanced-AI service is to make of a transcript; `question` is in the Idempotency-Key of every call."""

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
        """The enhancement's id, and from a second run on its number: the same question is the same text."""
        return str(self.enhancement_id) if self.run == 1 else f"{self.enhancement_id}/{self.run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementOutput:
    """What it made: entities with their times in seconds, and the tokens that were paid for, kept answers included."""

    summary: str | None
    entities: tuple[Entity, ...]
    model: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """One answer of the service, checked, as it is kept: text and the tokens it cost."""

    text: str
    tokens: int


class Answers(Protocol):
    """Answers to the steps of one enhancement that are durable once kept, so that a crash repeats none."""

    async def find(self, step: str) -> KeptAnswer | None:
        """The answer to a step of an earlier try."""

    async def keep(self, step: str, answer: KeptAnswer) -> None:
        """Make an answer durable; raises Outage."""


class Throttled(Transient):
    """The service asks for patience; `retry_after` in seconds, None when it did not say."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class Enhancer(Protocol):
    """An enhanced-AI service."""

    async def enhance(self, ask: EnhancementQuery, answers: Answers) -> EnhancementOutput:
        """All that was asked for; raises Permanent, Transient (Throttled when asked to wait) or Outage."""
