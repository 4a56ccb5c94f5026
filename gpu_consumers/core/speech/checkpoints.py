"""Checkpoint format of a long transcription: parts that each name the one before."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from gpu_consumers.core.speech.vad_windows import Region, Window
from schemas.transcript import Word

PIPELINE = "3"  # of windows, decoding and what stands in a part; another one makes parts of the old one worthless


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionState:
    """State of a transcription when everything before `start` and `windows` is done."""

    language: str | None = None
    probability: float | None = None
    start: int = 0  # the sample at which nobody has looked for speech yet
    windows: tuple[
        tuple[tuple[int, int], ...], ...
    ] = ()  # found before `start` and not heard yet, as samples [from, to)
    words: tuple[Word, ...] = ()
    speech: float = 0.0  # seconds, of all that is done
    uncovered: float = 0.0  # seconds of it that no word covers
    foreign: tuple[tuple[str, float], ...] = ()  # seconds of it that are in another language than the named one

    @property
    def pending(self) -> tuple[Window, ...]:
        """The windows that come first."""
        return tuple(Window(tuple(Region(*region) for region in window)) for window in self.windows)


_STATE = TypeAdapter(TranscriptionState)


def spans(windows: Sequence[Window]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Windows as they are stored in a part."""
    return tuple(tuple((region.start, region.end) for region in window.regions) for window in windows)


def encode(part: TranscriptionState) -> bytes:
    """A part as JSON; its words are those since the part before."""
    return _STATE.dump_json(part)


def decode(body: bytes) -> TranscriptionState | None:
    """The part that `encode` wrote, None for anything else."""
    try:
        return _STATE.validate_json(body)
    except ValidationError:
        return None


def joined(parts: Sequence[TranscriptionState]) -> TranscriptionState:
    """The state after these parts, in their order; without parts that of the beginning."""
    if not parts:
        return TranscriptionState()
    last = parts[-1]
    return TranscriptionState(
        language=last.language,
        probability=last.probability,
        start=last.start,
        windows=last.windows,
        speech=last.speech,
        uncovered=last.uncovered,
        foreign=last.foreign,
        words=tuple(word for part in parts for word in part.words),
    )


def framed(part: bytes, before: bytes) -> bytes:
    """A part as it is stored: preceded by the mark of the part `before` it (empty for the first), and its own."""
    return b"%b %b\n%b" % (_mark_of(before), _mark_of(part), part)


def unframed(body: bytes, before: bytes) -> bytes | None:
    """The part in `body`; None if it is damaged or does not follow the part `before`."""
    _, _, part = body.partition(b"\n")
    return part if body == framed(part, before) else None


def _mark_of(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:32].encode()


def digest_of(*facts: object) -> str:
    """The name under which parts are stored: it depends on audio, model and options, and on nothing else."""
    return hashlib.sha256(json.dumps([PIPELINE, *facts]).encode()).hexdigest()


def is_due(since: float, following: float, interval: float) -> bool:
    """Whether to store a part now: `since` seconds of audio after the last one, with `following` seconds up next."""
    return since > 0 and since + following > interval
