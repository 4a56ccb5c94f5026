"""What a request means: whom it names, what of it changes anything, and what it names that is not there."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from schemas.errors import Rejected
from schemas.requests.revisions.changes import Corrections, SegmentEdit, TranscriptChanges
from schemas.requests.revisions.resolution import effective
from schemas.transcript import Segment, Transcript
from tests.schemas.requests.revisions.test_changes import MACHINE

NOTHING = Corrections()
NAMED = Corrections(names={"SPEAKER_00": "Anna"})
LABEL_OF_ANOTHER = (
    "`SPEAKER_00` is the label of another speaker: give both the same name, or correct `segments[].speaker`"
    " where it is wrong"
)


def edit(index: int, text: str | None = None, speaker: str | None = None) -> TranscriptChanges:
    return TranscriptChanges(segments=(SegmentEdit(index=index, text=text, speaker=speaker),))


def test_a_speaker_is_named_by_the_label_or_by_the_name_it_has() -> None:
    assert effective(TranscriptChanges({"SPEAKER_00": "Anne"}), MACHINE, NAMED) == TranscriptChanges(
        {"SPEAKER_00": "Anne"}
    )
    assert effective(TranscriptChanges({"Anna": "Anne"}), MACHINE, NAMED) == TranscriptChanges({"SPEAKER_00": "Anne"})
    assert effective(edit(1, speaker="Anna"), MACHINE, NAMED) == edit(1, speaker="SPEAKER_00")


def test_a_name_that_two_labels_have_means_both() -> None:
    both = Corrections(names={"SPEAKER_00": "Anna", "SPEAKER_01": "Anna"})
    assert effective(TranscriptChanges({"Anna": "Anne"}), MACHINE, both).speakers == {
        "SPEAKER_00": "Anne",
        "SPEAKER_01": "Anne",
    }


def test_blanks_are_made_single_and_a_text_of_blanks_is_none() -> None:
    assert effective(edit(0, " hello \n there "), MACHINE, NOTHING) == edit(0, "hello there")
    assert effective(edit(0, " \t "), MACHINE, NOTHING) == edit(0, "")
    assert effective(TranscriptChanges({"SPEAKER_00": " Anna  Levi "}), MACHINE, NOTHING).speakers == {
        "SPEAKER_00": "Anna Levi"
    }


@pytest.mark.parametrize(
    "asked",
    [
        TranscriptChanges(),
        edit(0, "helo  there"),
        edit(1, "hi", "SPEAKER_01"),
        TranscriptChanges({"SPEAKER_01": "SPEAKER_01"}),
    ],
    ids=["nothing", "text", "both", "name"],
)
def test_what_is_so_already_is_no_change(asked: TranscriptChanges) -> None:
    assert not effective(asked, MACHINE, NOTHING)


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        (edit(3, "x"), "segments.0.index", "there is no segment 3: they are counted from 0 to 2"),
        (edit(0, speaker="SPEAKER_1"), "segments.0.speaker", "unknown speaker `SPEAKER_1`; did you mean `SPEAKER_01`?"),
        (TranscriptChanges({"Ana": "x"}), "speakers.Ana", "unknown speaker `Ana`; did you mean `Anna`?"),
        (TranscriptChanges({"SPEAKER_00": "x", "Anna": "y"}), "speakers.Anna", "is the same speaker as `SPEAKER_00`"),
        (
            TranscriptChanges({"SPEAKER_01": " SPEAKER_00 "}),
            "speakers.SPEAKER_01",
            LABEL_OF_ANOTHER,
        ),
        (
            TranscriptChanges(segments=(SegmentEdit(index=1, text="a"), SegmentEdit(index=1, text="b"))),
            "segments.1.index",
            "segment 1 is given more than once",
        ),
    ],
    ids=["segment", "speaker", "name", "speaker twice", "label of another", "segment twice"],
)
def test_what_is_not_there_is_named(asked: TranscriptChanges, field: str, message: str) -> None:
    with pytest.raises(Rejected) as refused:
        effective(asked, MACHINE, NAMED)
    assert refused.value.code == "invalid_request"
    assert refused.value.errors == ({"field": field, "message": message},)


def test_a_label_takes_back_its_own_name_only() -> None:
    assert effective(TranscriptChanges({"Anna": "SPEAKER_00"}), MACHINE, NAMED).speakers == {"SPEAKER_00": "SPEAKER_00"}
    both = Corrections(names={"SPEAKER_00": "Anna", "SPEAKER_01": "Anna"})
    with pytest.raises(Rejected, match="label of another speaker"):
        effective(TranscriptChanges({"Anna": "SPEAKER_00"}), MACHINE, both)


class CountedSegments(tuple[Segment, ...]):
    """Segments that count how often somebody goes through them."""

    rounds = 0

    def __iter__(self) -> Iterator[Segment]:
        self.rounds += 1
        return super().__iter__()


def test_many_edits_go_through_the_segments_once() -> None:
    """A transcript may have tens of thousands of segments, of which hundreds are corrected at once."""
    segments = CountedSegments(MACHINE.segments * 100)
    asked = TranscriptChanges(
        {"SPEAKER_00": "Anne"},
        tuple(SegmentEdit(index=index, speaker="SPEAKER_01") for index in range(0, 300, 3)),
    )
    done = effective(asked, replace(MACHINE, segments=segments), NAMED)
    assert (len(done.segments), segments.rounds) == (100, 1)


def test_a_recording_without_speakers_says_so() -> None:
    with pytest.raises(Rejected, match="nobody told the speakers of this recording apart"):
        effective(TranscriptChanges({"Anna": "x"}), Transcript(language="en", duration=1.0, segments=()), NOTHING)
