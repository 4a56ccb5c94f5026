"""The transcript after corrections: the last one of each thing counts, and what is taken back is the machine's again."""

from contextlib import suppress

from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.errors import Rejected
from schemas.requests.revisions.changes import Corrections, SegmentEdit, TranscriptChanges, corrected, total
from schemas.requests.revisions.resolution import effective
from schemas.transcript import Segment, Transcript, Word
from tests.schemas.requests.revisions.drawing import LABELS, changes, in_order, transcripts

MACHINE = Transcript(
    language="en",
    duration=4.0,
    segments=(
        Segment(
            start=0.0,
            end=2.0,
            text="helo there",
            speaker="SPEAKER_00",
            words=(
                Word(start=0.0, end=1.0, text="helo", speaker="SPEAKER_00"),
                Word(start=1.0, end=2.0, text="there", speaker="SPEAKER_00"),
            ),
        ),
        Segment(start=2.0, end=3.0, text="hi", speaker="SPEAKER_01"),
        Segment(start=3.0, end=4.0, text="bye", speaker="SPEAKER_00"),
    ),
)


@given(data=st.data())
def test_revisions_one_by_one_are_their_sum(data: st.DataObject) -> None:
    """Each is made effective against the transcript as it is by then, as the service does it."""
    machine = data.draw(transcripts())
    asked = data.draw(st.lists(changes(machine), max_size=4))
    kept: list[TranscriptChanges] = []
    for each in asked:
        kept.append(effective(each, machine, total(kept)))
    now = corrected(machine, total(kept))
    assert [(s.start, s.end) for s in now.segments] == [(s.start, s.end) for s in machine.segments]
    for index, segment in enumerate(now.segments):
        assert in_order(segment.words, segment)
        texts = [e.text for each in asked for e in each.segments if e.index == index and e.text is not None]
        assert segment.text == (texts[-1] if texts else machine.segments[index].text)
    for label in machine.speakers:
        names = [each.speakers[label] for each in asked if label in each.speakers]
        assert total(kept).names.get(label, label) == (names[-1] if names else label)


@given(data=st.data())
def test_the_same_request_again_changes_nothing(data: st.DataObject) -> None:
    machine = data.draw(transcripts())
    asked = data.draw(changes(machine))
    once = [effective(asked, machine, Corrections())]
    assert not effective(asked, machine, total(once))


@given(data=st.data())
def test_requests_about_different_things_come_in_any_order(data: st.DataObject) -> None:
    machine = data.draw(transcripts())
    first, second = data.draw(changes(machine)), data.draw(changes(machine))
    taken = {edit.index for edit in first.segments}
    apart = TranscriptChanges(
        {label: name for label, name in second.speakers.items() if label not in first.speakers},
        tuple(edit for edit in second.segments if edit.index not in taken),
    )
    assert corrected(machine, total([first, apart])) == corrected(machine, total([apart, first]))


@given(data=st.data())
def test_what_is_taken_back_is_the_machines_again(data: st.DataObject) -> None:
    """With the words and the times that it had."""
    machine = data.draw(transcripts())
    done = effective(data.draw(changes(machine)), machine, Corrections())
    back = TranscriptChanges(
        {label: label for label in done.speakers},
        tuple(
            SegmentEdit(
                index=edit.index,
                text=machine.segments[edit.index].text,
                speaker=machine.segments[edit.index].speaker,
            )
            for edit in done.segments
        ),
    )
    undone = effective(back, machine, total([done]))
    again = corrected(machine, total([done, undone]))
    unknown = {index for index, segment in enumerate(machine.segments) if segment.speaker is None}
    for index in set(range(len(machine.segments))) - unknown:
        assert again.segments[index] == machine.segments[index]


@given(data=st.data())
def test_changes_are_stored_and_read_again(data: st.DataObject) -> None:
    asked = data.draw(changes(data.draw(transcripts())))
    assert TranscriptChanges.from_json(asked.to_json()) == asked


@given(data=st.data())
def test_whoever_has_a_name_is_named_anew_by_it(data: st.DataObject) -> None:
    """Whatever names were accepted before: all who have one name are one person."""
    machine = data.draw(transcripts())
    assume(machine.speakers)
    kept: list[TranscriptChanges] = []
    names = st.dictionaries(st.sampled_from(machine.speakers), st.sampled_from(("Anna", "Ben", *LABELS)))
    for asked in data.draw(st.lists(names, max_size=4)):
        with suppress(Rejected):
            kept.append(effective(TranscriptChanges(asked), machine, total(kept)))
    now = {label: total(kept).names.get(label, label) for label in machine.speakers}
    for name in now.values():
        renamed = effective(TranscriptChanges({name: "Zoe"}), machine, total(kept))
        assert {*renamed.speakers} == {label for label in now if now[label] == name}


def test_a_name_goes_with_all_that_its_speaker_says() -> None:
    now = corrected(MACHINE, total([TranscriptChanges({"SPEAKER_00": "Anna"})]))
    assert [segment.speaker for segment in now.segments] == ["Anna", "SPEAKER_01", "Anna"]
    assert {word.speaker for word in now.segments[0].words} == {"Anna"}
    assert now.segments[1] is not None
    assert now.segments[1] == MACHINE.segments[1]


def test_a_segment_may_be_another_speakers() -> None:
    edit = SegmentEdit(index=0, speaker="SPEAKER_01")
    now = corrected(MACHINE, total([TranscriptChanges({"SPEAKER_01": "Ben"}, (edit,))]))
    assert now.segments[0].speaker == "Ben"
    assert {word.speaker for word in now.segments[0].words} == {"Ben"}


def test_two_labels_may_be_one_person() -> None:
    both = corrected(MACHINE, total([TranscriptChanges(dict.fromkeys(LABELS[:2], "Anna"))]))
    assert both.speakers == ("Anna",)
