"""What a request means: whom it names, what of it changes anything, and what it names that is not there."""

import pytest

from schemas.errors import Rejected
from schemas.requests.revisions.changes import Corrections, SegmentEdit, TranscriptChanges
from schemas.requests.revisions.resolution import effective
from schemas.transcript import Transcript
from tests.schemas.requests.revisions.test_changes import MACHINE

NOTHING = Corrections()
NAMED = Corrections(names={"SPEAKER_00": "Anna"})


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
            TranscriptChanges(segments=(SegmentEdit(index=1, text="a"), SegmentEdit(index=1, text="b"))),
            "segments.1.index",
            "segment 1 is given more than once",
        ),
    ],
    ids=["segment", "speaker", "name", "speaker twice", "segment twice"],
)
def test_what_is_not_there_is_named(asked: TranscriptChanges, field: str, message: str) -> None:
    with pytest.raises(Rejected) as refused:
        effective(asked, MACHINE, NAMED)
    assert refused.value.code == "invalid_request"
    assert refused.value.errors == ({"field": field, "message": message},)


def test_a_recording_without_speakers_says_so() -> None:
    with pytest.raises(Rejected, match="nobody told the speakers of this recording apart"):
        effective(TranscriptChanges({"Anna": "x"}), Transcript(language="en", duration=1.0, segments=()), NOTHING)
