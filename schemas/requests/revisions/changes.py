"""Changes of a transcript's text and speakers, and the transcript after them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.requests.revisions.words import realigned
from schemas.transcript import Segment, Transcript, Word

MAX_EDITS = 500  # segments, and speakers, of one revision
MAX_TEXT_CHARS = 5000  # of a segment
MAX_NAME_CHARS = 100  # of a speaker
MAX_REVISIONS = 3_000  # of one run: every reading applies them all, and each line that is saved on the page is one
MAX_REVISIONS_BYTES = 2 * 2**20  # of the changes of one run together, as JSON: every reading holds them in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEdit:
    """The change of one segment, by its place from 0; what is None stays. `speaker` is a label of the machine's."""

    index: int
    text: str | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptChanges:
    """The changes of one revision: names of speakers by the machine's labels, and edits of segments."""

    speakers: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[SegmentEdit, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.speakers or self.segments)

    def to_json(self) -> dict[str, Any]:
        """The form in which changes are stored and shown: what stays is left out."""
        edits = [
            {name: value for name in SegmentEdit.__dataclass_fields__ if (value := getattr(edit, name)) is not None}
            for edit in self.segments
        ]
        return {"speakers": dict(self.speakers), "segments": edits}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "TranscriptChanges":
        """The changes that `to_json` wrote."""
        return cls(dict(stored["speakers"]), tuple(SegmentEdit(**edit) for edit in stored["segments"]))


@dataclass(frozen=True, slots=True)
class Corrections:
    """The sum of all changes: names by labels, and by the places of segments their texts and the labels of speakers."""

    names: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[int, str] = field(default_factory=dict)


def total(revisions: Iterable[TranscriptChanges]) -> Corrections:
    """The sum of changes in the order of their revisions: of the same thing the last one counts."""
    names: dict[str, str] = {}
    texts: dict[int, str] = {}
    labels: dict[int, str] = {}
    for changes in revisions:
        names |= changes.speakers
        texts |= {edit.index: edit.text for edit in changes.segments if edit.text is not None}
        labels |= {edit.index: edit.speaker for edit in changes.segments if edit.speaker is not None}
    return Corrections(names, texts, labels)


def corrected(machine: Transcript, corrections: Corrections) -> Transcript:
    """The machine's transcript with corrections; times and order of its segments stay as they are."""
    return replace(machine, segments=tuple(_segments(machine, corrections)))


def _segments(machine: Transcript, corrections: Corrections) -> Iterator[Segment]:
    names = corrections.names
    for index, segment in enumerate(machine.segments):
        text, label = corrections.texts.get(index, segment.text), corrections.labels.get(index, segment.speaker)
        words = segment.words
        if text != segment.text:
            words = realigned(segment, text, segment.language or machine.language)
        if label != segment.speaker:
            words = tuple(_spoken_by(word, label) for word in words)
        named = tuple(_named(word, names) for word in words) if names else words
        yield replace(segment, text=text, speaker=_name(label, names), words=named)


def _spoken_by(word: Word, label: str | None) -> Word:
    return word if word.speaker is None else replace(word, speaker=label)


def _named(word: Word, names: Mapping[str, str]) -> Word:
    name = _name(word.speaker, names)
    return word if name == word.speaker else replace(word, speaker=name)


def _name(label: str | None, names: Mapping[str, str]) -> str | None:
    return label if label is None else names.get(label, label)
