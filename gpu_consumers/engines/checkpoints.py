"""Checkpoints of long recordings in the object store, for the next process that works on the same recording."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gpu_consumers.core.speech.checkpoints import framed, unframed
from gpu_consumers.engines.protocols import Part
from schemas.errors import Outage, Permanent
from schemas.ports import ObjectStore

log = logging.getLogger(__name__)
MAX_BYTES = 4_000_000  # of a part: a minute of words is about 20 KB, one of voices 250 KB
PAUSE_SECONDS = 30.0  # without a try after the object store was away


@dataclass(slots=True)
class StoredCheckpoints:
    """Checkpoints of one channel of one recording; implements engines.protocols.Checkpoints for one worker thread."""

    store: ObjectStore
    prefix: str
    seconds: float
    every: float
    kept: Callable[[], None] = lambda: None
    """Callback for each part that the store has taken and that goes on from one of an earlier try.

    Not of a first one: a source may answer differently each time, so that nobody ever goes on.
    """
    clock: Callable[[], float] = time.monotonic
    _count: int = 0
    _last: bytes = b""
    _waiting: list[bytes] = field(default_factory=list)
    _not_before: float = 0.0
    _resumed: bool = False

    def find(self, read: Callable[[bytes], Part | None]) -> list[Part]:
        """See engines.protocols.Checkpoints."""
        parts: list[Part] = []
        for found in sorted(self.store.listing(self.prefix), key=lambda found: found.key):
            body = self._get(found.key) if found.key == self._key(len(parts)) else None
            # a hole, or the part of another one who worked on it: it does not follow
            if body is None or (inner := unframed(body, self._last)) is None or (part := read(inner)) is None:
                break
            parts.append(part)
            self._last = body
        self._count = len(parts)
        self._resumed = bool(parts)
        if parts:
            log.info("going on after %d parts", len(parts))
        return parts

    def keep(self, part: bytes) -> None:
        """See engines.protocols.Checkpoints; while the object store is away the work goes on without checkpoints."""
        self._waiting.append(part)
        while self._waiting and self.clock() >= self._not_before:
            body = framed(self._waiting[0], self._last)
            try:
                self.store.put(self._key(self._count), body, content_type="application/octet-stream")
            except Outage as error:
                log.warning("no checkpoint for now: %s", error)
                self._not_before = self.clock() + PAUSE_SECONDS
                return
            self._count, self._last = self._count + 1, body
            self._waiting.pop(0)
            if self._resumed:
                self.kept()

    def _get(self, key: str) -> bytes | None:
        try:
            return self.store.get(key, max_bytes=MAX_BYTES)
        except Permanent as error:  # deleted meanwhile, or larger than any of ours
            log.warning("%s is not used: %s", key, error)
            return None

    def _key(self, number: int) -> str:
        return f"{self.prefix}{number:06}"


@dataclass(slots=True)
class NoCheckpoints:
    """Checkpoints that store nothing, for short recordings; the code path is the same as with others."""

    seconds: float
    every: float = math.inf

    def find(self, _: Callable[[bytes], Part | None], /) -> list[Part]:
        """Find nothing."""
        return []

    def keep(self, part: bytes) -> None:
        """Do nothing."""
