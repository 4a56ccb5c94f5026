"""Channels to one transcript."""

import pytest

from gpu_consumers.core.speech.assembly import (
    NO_SPEECH,
    ChannelTranscript,
    assemble,
    needs_turns,
    other_language_warnings,
)
from schemas.events import Channels, Options
from schemas.transcript import Word


def heard(*starts: float, language: str = "en", warnings: tuple[str, ...] = ()) -> ChannelTranscript:
    words = tuple(Word(start=start, end=start + 0.5, text=f"at{start}") for start in starts)
    return ChannelTranscript(language, 0.9, words, warnings)


def test_two_channels_are_two_speakers_in_order_of_time() -> None:
    """The one who speaks first is SPEAKER_00, whichever channel it is."""
    transcript = assemble([heard(3.0), heard(1.0, 5.0, language="he")], 6.0, (), Options())
    assert [(s.text, s.speaker, s.channel) for s in transcript.segments] == [
        ("at1.0", "SPEAKER_00", 1),
        ("at3.0", "SPEAKER_01", 0),
        ("at5.0", "SPEAKER_00", 1),
    ]
    assert transcript.language == "he"
    assert not needs_turns(transcript, Options())


@pytest.mark.parametrize("lone", [0, 1])
def test_a_channel_beside_one_without_words_waits_for_its_speakers(lone: int) -> None:
    """Music or tones made two people of the recording; on the channel with words may be several."""
    channels = [heard(1.0, 5.0), heard()] if lone == 0 else [heard(), heard(1.0, 5.0)]
    transcript = assemble(channels, 6.0, (), Options())
    assert transcript.warnings == (
        f"nobody speaks on any channel but {lone + 1} of 2: it was heard like a recording of one channel",
    )
    assert {(segment.speaker, segment.channel) for segment in transcript.segments} == {(None, lone)}
    assert needs_turns(transcript, Options())
    assert assemble(channels, 6.0, (), Options(num_speakers=1)).speakers == ("SPEAKER_00",)
    ordered = Options(channels=Channels.SPLIT)
    split = assemble(channels, 6.0, (), ordered)
    assert (split.speakers, split.warnings) == (("SPEAKER_00",), ())
    assert not needs_turns(split, ordered)


def test_one_channel_waits_for_its_speakers() -> None:
    transcript = assemble([heard(1.0)], 2.0, (), Options())
    assert transcript.speakers == ()
    assert needs_turns(transcript, Options())
    assert not needs_turns(transcript, Options(diarize=False))


@pytest.mark.parametrize("options", [Options(num_speakers=1), Options(max_speakers=1)])
def test_a_single_speaker_needs_no_diarization(options: Options) -> None:
    transcript = assemble([heard(1.0)], 2.0, (), options)
    assert transcript.speakers == ("SPEAKER_00",)
    assert not needs_turns(transcript, options)


def test_silence_is_a_transcript_without_segments() -> None:
    """Not an error: somebody recorded nothing."""
    transcript = assemble([heard()], 2.0, (), Options())
    assert (transcript.segments, transcript.warnings) == ((), (NO_SPEECH,))
    assert not needs_turns(transcript, Options())


def test_warnings_are_told_once() -> None:
    transcript = assemble([heard(1.0, warnings=("w",)), heard(2.0, warnings=("w",))], 3.0, ("damaged",), Options())
    assert transcript.warnings == ("damaged", "w")


@pytest.mark.parametrize(
    ("foreign", "speech", "told"),
    [
        ({}, 0.0, []),
        ({}, 60.0, []),
        ({"he": 8.0}, 10.0, ["the recording seems to be in 'he', not in 'en'"]),
        ({"he": 4.0, "fr": 1.0}, 10.0, []),  # a window of a short one may mislead
        ({"he": 3600.0}, 3630.0, ["the recording seems to be in 'he', not in 'en'"]),
        ({"fr": 60.0, "he": 600.0}, 3600.0, ["600 of 3600 seconds of speech seem to be in 'he', not in 'en'"]),
        ({"he": 300.0}, 3600.0, []),
    ],
)
def test_a_reader_is_warned_of_another_language(foreign: dict[str, float], speech: float, told: list[str]) -> None:
    """Wherever in the recording it is spoken, if much of it is."""
    assert list(other_language_warnings(foreign, speech, "en")) == told
