"""Checkpoints of long transcriptions in the object store, found again by whoever works on the same thing next."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gpu_consumers.core.checkpoints import Progressed, decode, encode, joined, mark_of
from gpu_consumers.engine import SAMPLE_RATE
from schemas.errors import Outage, Permanent
from schemas.ports import ObjectStore

log = logging.getLogger(__name__)
MAX_BYTES = 4_000_000  # of a part: a minute of speech is about 20 KB
PAUSE_SECONDS = 30.0  # without a try after the object store was away


@dataclass(slots=True)
class Checkpoints:
    """Those of one channel of one recording; used by one worker thread."""

    store: ObjectStore
    prefix: str
    seconds: float
    """Of audio, at most so much is done again after a crash."""
    clock: Callable[[], float] = time.monotonic
    _count: int = 0
    _last: str = ""
    _missed: list[Progressed] = field(default_factory=list)
    _not_before: float = 0.0

    def find(self) -> Progressed:
        """How far somebody came before; raises Outage."""
        parts: list[Progressed] = []
        for found in sorted(self.store.listing(self.prefix), key=lambda found: found.key):
            body = self._read(found.key) if found.key == self._key(len(parts)) else None
            part = decode(body) if body is not None else None
            # a hole, nothing of ours, or the part of another one who worked on it: it does not follow
            if body is None or part is None or part.after != self._last:
                break
            parts.append(part)
            self._last = mark_of(body)
        self._count = len(parts)
        if parts:
            log.info("going on at %.0f s of audio", parts[-1].start / SAMPLE_RATE)
        return joined(parts)

    def keep(self, part: Progressed) -> None:
        """Write what came since the last part; while the object store is away the work goes on without."""
        self._missed.append(part)
        if self.clock() < self._not_before:
            return
        body = encode(replace(joined(self._missed), after=self._last))
        try:
            self.store.put(self._key(self._count), body, content_type="application/json")
        except Outage as error:
            log.warning("no checkpoint for now: %s", error)
            self._not_before = self.clock() + PAUSE_SECONDS
            return
        self._count, self._last = self._count + 1, mark_of(body)
        self._missed.clear()

    def _read(self, key: str) -> bytes | None:
        try:
            return self.store.get(key, max_bytes=MAX_BYTES)
        except Permanent as error:  # deleted meanwhile, or larger than any of ours
            log.warning("%s is not used: %s", key, error)
            return None

    def _key(self, number: int) -> str:
        return f"{self.prefix}{number:06}.json"
