"""How far the transcription of a long recording came, in parts that each tell what came after the one before."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from gpu_consumers.core.windows import Region, Window
from schemas.transcript import Word

PIPELINE = "1"  # of windows, decoding and what stands in a part; another one makes parts of the old one worthless


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """What is known once all before `start` and `windows` is done: samples, words, the language."""

    language: str | None = None
    probability: float | None = None
    start: int = 0  # the sample at which nobody has looked for speech yet
    windows: tuple[
        tuple[tuple[int, int], ...], ...
    ] = ()  # found before `start` and not heard yet, as samples [from, to)
    words: tuple[Word, ...] = ()
    after: str = ""  # the digest of the part before: one that follows another part was written by somebody else

    @property
    def pending(self) -> tuple[Window, ...]:
        """The windows that come first."""
        return tuple(Window(tuple(Region(*region) for region in window)) for window in self.windows)


_PROGRESSED = TypeAdapter(Progressed)


def spans(windows: Sequence[Window]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Windows as they stand in a part."""
    return tuple(tuple((region.start, region.end) for region in window.regions) for window in windows)


def encode(part: Progressed) -> bytes:
    """A part as JSON; its words are those since the part before."""
    return _PROGRESSED.dump_json(part)


def decode(body: bytes) -> Progressed | None:
    """What `encode` wrote, None for whatever else."""
    try:
        return _PROGRESSED.validate_json(body)
    except ValidationError:
        return None


def joined(parts: Sequence[Progressed]) -> Progressed:
    """Where to go on after these parts, in their order; with none of them at the beginning."""
    if not parts:
        return Progressed()
    last = parts[-1]
    return Progressed(
        language=last.language,
        probability=last.probability,
        start=last.start,
        windows=last.windows,
        words=tuple(word for part in parts for word in part.words),
    )


def mark_of(body: bytes) -> str:
    """What the part that follows this one says in `after`."""
    return hashlib.sha256(body).hexdigest()[:32]


def digest_of(*facts: object) -> str:
    """What parts are kept under: the same for the same audio, model and wishes, and for nothing else."""
    return hashlib.sha256(json.dumps([PIPELINE, *facts]).encode()).hexdigest()


def is_due(since: float, following: float, interval: float) -> bool:
    """Whether to keep a part now: `since` seconds of audio after the last one, with so many `following` in one go."""
    return since > 0 and since + following > interval
