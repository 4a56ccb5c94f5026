"""Assembly of one transcript from the words of each channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gpu_consumers.core.speech.coverage import is_worth_a_warning
from gpu_consumers.core.speech.merge import named, segments_of
from schemas.events import Channels, Options
from schemas.transcript import Segment, Transcript, Word

NO_SPEECH = "no speech found"
FOREIGN_SECONDS, FOREIGN_PART = 30.0, 0.1  # speech in another language beyond both of these is worth a warning


@dataclass(frozen=True, slots=True)
class ChannelTranscript:
    """The words of one channel, in order of their start; `probability` of the language when it was detected.

    `speech`: seconds in which somebody speaks, `uncovered`: those of them without words; None where nobody measured.
    """

    language: str
    probability: float | None
    words: tuple[Word, ...]
    warnings: tuple[str, ...] = ()
    speech: float | None = None
    uncovered: float | None = None


def assemble(
    heard: Sequence[ChannelTranscript], duration: float, warnings: Sequence[str], options: Options
) -> Transcript:
    """The transcript of a recording of `duration` seconds.

    Several channels are several speakers; one channel has a speaker only if the job says that there is just one, and so
    has the only one with words of those that were kept separate as two people's.
    """
    segments: list[Segment] = []
    lone = _lone_channel(heard, options)
    for channel, part in enumerate(heard):
        speaker = _speaker(channel, 1 if lone is not None else len(heard), options)
        words = tuple(replace(word, speaker=speaker) for word in part.words)
        segments += segments_of(words, part.language, channel if len(heard) > 1 else None)
    segments.sort(key=lambda segment: segment.start)
    main = max(heard, key=lambda part: len(part.words))
    warned = dict.fromkeys(text for part in heard for text in part.warnings)
    speech, uncovered = _total([part.speech for part in heard]), _total([part.uncovered for part in heard])
    passed_over = uncovered_warnings(speech, uncovered)
    return named(
        Transcript(
            language=main.language,
            language_probability=main.probability,
            duration=duration,
            segments=tuple(segments),
            warnings=(
                *warnings,
                *_wordless_warnings(lone, len(heard)),
                *warned,
                *passed_over,
                *(() if segments else (NO_SPEECH,)),
            ),
            speech=speech,
            uncovered=uncovered,
        )
    )


def uncovered_warnings(speech: float | None, uncovered: float | None) -> tuple[str, ...]:
    """The warning for a reader that much of the speech has no words, if it is much."""
    if speech is None or uncovered is None or not is_worth_a_warning(uncovered, speech):
        return ()
    return (f"{uncovered:.0f} of {speech:.0f} seconds of speech have no words",)


def _lone_channel(heard: Sequence[ChannelTranscript], options: Options) -> int | None:
    """The only channel with words of several, unless the job ordered that they be kept separate: it may be several people."""
    spoken = [channel for channel, part in enumerate(heard) if part.words]
    return spoken[0] if len(heard) > len(spoken) == 1 and options.channels is not Channels.SPLIT else None


def _wordless_warnings(lone: int | None, channels: int) -> tuple[str, ...]:
    """The warning for a reader that all words are from one channel."""
    if lone is None:
        return ()
    return (f"nobody speaks on any channel but {lone + 1} of {channels}: it was heard like a recording of one channel",)


def other_language_warnings(foreign: Mapping[str, float], speech: float, named: str) -> tuple[str, ...]:
    """The warning for a reader that much of the speech is in another language than the job `named`.

    `foreign`: seconds of `speech` in each other language.
    """
    heard = max(foreign, key=lambda language: foreign[language], default=named)
    seconds = foreign.get(heard, 0.0)
    if seconds > speech / 2:
        return (f"the recording seems to be in '{heard}', not in '{named}'",)
    if seconds <= FOREIGN_SECONDS or seconds <= FOREIGN_PART * speech:
        return ()
    return (f"{seconds:.0f} of {speech:.0f} seconds of speech seem to be in '{heard}', not in '{named}'",)


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return round(sum(known), 3) if known else None


def _speaker(channel: int, channels: int, options: Options) -> str | None:
    if channels > 1:
        return f"channel {channel}"
    return "the only one" if _single_speaker(options) else None


def _single_speaker(options: Options) -> bool:
    return options.diarize and 1 in (options.num_speakers, options.max_speakers)


def needs_turns(transcript: Transcript, options: Options) -> bool:
    """Whether the recording needs diarization: it has words, and nobody knows who says them."""
    return options.diarize and bool(transcript.segments) and not transcript.speakers
