"""Requested changes against a transcript: what they mean, what of them changes anything, and what is wrong. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.errors import Rejected
from schemas.requests.revisions.changes import Corrections, SegmentEdit, TranscriptChanges
from schemas.transcript import Transcript
from schemas.vocabulary.findings import MAX_NAME_CHARS, text_of
from schemas.vocabulary.nearest import unknown

Finding = tuple[str, str]  # field, what is wrong with it


@dataclass(frozen=True, slots=True)
class _Speakers:
    """The speakers of a recording: the machine's labels, and by each name the labels that have it."""

    labels: Collection[str]
    named: Mapping[str, Sequence[str]]

    def find(self, name: str) -> Sequence[str]:
        """The labels that a request means: the one it names, else all whose speaker has that name; empty: none."""
        return (name,) if name in self.labels else self.named.get(name, ())


def effective(asked: TranscriptChanges, machine: Transcript, before: Corrections) -> TranscriptChanges:
    """The changes that a request makes to a transcript as it is `before`; none where all is so already.

    Speakers are named by the machine's labels or by the names that they have. Raises Rejected(invalid_request) that
    names every segment and speaker that is not there, and every name that is the label of somebody else.
    """
    speakers = _speakers(machine, before)
    found = [*_mistakes(asked, machine, speakers)]
    if found:
        errors = tuple({"field": field, "message": message} for field, message in found)
        raise Rejected("invalid_request", text_of(errors[:10]), errors)
    names = {label: one_line(name) for key, name in asked.speakers.items() for label in speakers.find(key)}
    edits = (_effective(edit, machine, speakers, before) for edit in asked.segments)
    return TranscriptChanges(
        {label: name for label, name in names.items() if name != before.names.get(label, label)},
        tuple(edit for edit in edits if edit.text is not None or edit.speaker is not None),
    )


def one_line(text: str) -> str:
    """The text with single blanks within it and none around it, as the words of a segment are joined."""
    return " ".join(text.split())


def _speakers(machine: Transcript, before: Corrections) -> _Speakers:
    labels = dict.fromkeys(machine.speakers)
    named: dict[str, list[str]] = {}
    for label in labels:
        if label in before.names:
            named.setdefault(before.names[label], []).append(label)
    return _Speakers(labels, named)


def _effective(edit: SegmentEdit, machine: Transcript, speakers: _Speakers, before: Corrections) -> SegmentEdit:
    segment = machine.segments[edit.index]
    text, label = edit.text, None
    if text is not None:
        # the machine's own text comes back with the machine's own words
        text = segment.text if one_line(text) == one_line(segment.text) else one_line(text)
        text = None if text == before.texts.get(edit.index, segment.text) else text
    if edit.speaker is not None:
        label = speakers.find(edit.speaker)[0]
        label = None if label == before.labels.get(edit.index, segment.speaker) else label
    return SegmentEdit(index=edit.index, text=text, speaker=label)


def _mistakes(asked: TranscriptChanges, machine: Transcript, speakers: _Speakers) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for key, name in asked.speakers.items():
        field, labels = f"speakers.{key[:MAX_NAME_CHARS]}", speakers.find(key)
        if not labels:
            yield field, _no_speaker(key, speakers)
        # a label is found before a name: the two would be one person in every file, and not when they are named next
        if one_line(name) in speakers.labels and {*labels} - {one_line(name)}:
            yield field, _label_of_another(one_line(name))
        for label in labels:
            if label in seen:
                yield field, f"is the same speaker as `{seen[label][:MAX_NAME_CHARS]}`"
            seen[label] = key
    places: set[int] = set()
    for number, edit in enumerate(asked.segments):
        yield from _mistakes_of(edit, f"segments.{number}", len(machine.segments), speakers, places)
        places.add(edit.index)


def _mistakes_of(
    edit: SegmentEdit, field: str, count: int, speakers: _Speakers, places: Collection[int]
) -> Iterator[Finding]:
    if edit.index >= count:
        yield f"{field}.index", _no_segment(edit.index, count)
    if edit.index in places:
        yield f"{field}.index", f"segment {edit.index} is given more than once"
    if edit.speaker is not None and not speakers.find(edit.speaker):
        yield f"{field}.speaker", _no_speaker(edit.speaker, speakers)


def _no_segment(index: int, count: int) -> str:
    return f"there is no segment {index}: they are counted from 0 to {count - 1}" if count else "there are no segments"


def _no_speaker(name: str, speakers: _Speakers) -> str:
    if not speakers.labels:
        return f"unknown speaker `{name[:MAX_NAME_CHARS]}`: nobody told the speakers of this recording apart"
    return unknown("speaker", name, dict.fromkeys((*speakers.labels, *speakers.named)))


def _label_of_another(label: str) -> str:
    return (
        f"`{label[:MAX_NAME_CHARS]}` is the label of another speaker: give both the same name, or correct"
        " `segments[].speaker` where it is wrong"
    )
