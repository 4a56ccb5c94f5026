"""Requested changes against a transcript: what they mean, what of them changes anything, and what is wrong. Pure."""

from collections.abc import Collection, Iterator, Mapping

from schemas.errors import Rejected
from schemas.requests.revisions.changes import Corrections, SegmentEdit, TranscriptChanges
from schemas.transcript import Transcript
from schemas.vocabulary.findings import MAX_NAME_CHARS, text_of
from schemas.vocabulary.nearest import unknown

Finding = tuple[str, str]  # field, what is wrong with it


def effective(asked: TranscriptChanges, machine: Transcript, before: Corrections) -> TranscriptChanges:
    """The changes that a request makes to a transcript as it is `before`; none where all is so already.

    Speakers are named by the machine's labels or by the names that they have. Raises Rejected(invalid_request) that
    names every segment and speaker that is not there.
    """
    found = [*_mistakes(asked, machine, before)]
    if found:
        errors = tuple({"field": field, "message": message} for field, message in found)
        raise Rejected("invalid_request", text_of(errors[:10]), errors)
    speakers = {
        label: one_line(name) for key, name in asked.speakers.items() for label in _labels(key, machine, before)
    }
    edits = (_effective(edit, machine, before) for edit in asked.segments)
    return TranscriptChanges(
        {label: name for label, name in speakers.items() if name != before.names.get(label, label)},
        tuple(edit for edit in edits if edit.text is not None or edit.speaker is not None),
    )


def one_line(text: str) -> str:
    """The text with single blanks within it and none around it, as the words of a segment are joined."""
    return " ".join(text.split())


def _effective(edit: SegmentEdit, machine: Transcript, before: Corrections) -> SegmentEdit:
    segment = machine.segments[edit.index]
    text, label = edit.text, None
    if text is not None:
        # the machine's own text comes back with the machine's own words
        text = segment.text if one_line(text) == one_line(segment.text) else one_line(text)
        text = None if text == before.texts.get(edit.index, segment.text) else text
    if edit.speaker is not None:
        label = _labels(edit.speaker, machine, before)[0]
        label = None if label == before.labels.get(edit.index, segment.speaker) else label
    return SegmentEdit(index=edit.index, text=text, speaker=label)


def _labels(name: str, machine: Transcript, before: Corrections) -> list[str]:
    """The labels that a request means: the one it names, else all whose speaker has that name; empty: none."""
    labels = machine.speakers
    return [name] if name in labels else [label for label in labels if before.names.get(label) == name]


def _mistakes(asked: TranscriptChanges, machine: Transcript, before: Corrections) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for key in asked.speakers:
        labels = _labels(key, machine, before)
        if not labels:
            yield f"speakers.{key[:MAX_NAME_CHARS]}", _no_speaker(key, machine, before)
        for label in labels:
            if label in seen:
                yield f"speakers.{key[:MAX_NAME_CHARS]}", f"is the same speaker as `{seen[label][:MAX_NAME_CHARS]}`"
            seen[label] = key
    places: set[int] = set()
    for number, edit in enumerate(asked.segments):
        yield from _mistakes_of(edit, f"segments.{number}", machine, before, places)
        places.add(edit.index)


def _mistakes_of(
    edit: SegmentEdit, field: str, machine: Transcript, before: Corrections, places: Collection[int]
) -> Iterator[Finding]:
    if edit.index >= len(machine.segments):
        yield f"{field}.index", _no_segment(edit.index, len(machine.segments))
    if edit.index in places:
        yield f"{field}.index", f"segment {edit.index} is given more than once"
    if edit.speaker is not None and not _labels(edit.speaker, machine, before):
        yield f"{field}.speaker", _no_speaker(edit.speaker, machine, before)


def _no_segment(index: int, count: int) -> str:
    return f"there is no segment {index}: they are counted from 0 to {count - 1}" if count else "there are no segments"


def _no_speaker(name: str, machine: Transcript, before: Corrections) -> str:
    if not machine.speakers:
        return f"unknown speaker `{name[:MAX_NAME_CHARS]}`: nobody told the speakers of this recording apart"
    return unknown("speaker", name, dict.fromkeys((*machine.speakers, *_names(machine, before.names))))


def _names(machine: Transcript, names: Mapping[str, str]) -> Iterator[str]:
    return (names[label] for label in machine.speakers if label in names)
