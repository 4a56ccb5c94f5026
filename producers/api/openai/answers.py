"""A transcript in the shapes of OpenAI's interface: JSON with and without segments and speakers, text, subtitles. Pure.

What the service does not keep stands there as a constant, since clients expect it: `tokens` (none), `temperature` and
`no_speech_prob` (0).
"""

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field

from producers.api.openai.forms import Granularity, ResponseFormat
from producers.messages.plain_text import one_line
from producers.transcripts.formats import Format
from producers.transcripts.rendering import CONTENT_TYPES, render
from schemas.events import Task
from schemas.transcript import WITHOUT_SPACES, Segment, Transcript
from schemas.vocabulary.languages import name_of

JSON = "application/json"
UNKNOWN_SPEAKER = "unknown"
_FRAMES_PER_SECOND = 100  # in which Whisper counts `seek`
_LEAST_PROBABILITY = 1e-10
_LETTERS = 26
_SUBTITLES = {ResponseFormat.SRT: Format.SRT, ResponseFormat.VTT: Format.VTT}


class AudioUsage(BaseModel):
    """Usage in seconds of the recording, as nothing is counted in tokens."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptionText(BaseModel):
    """The answer `json`."""

    text: str
    usage: AudioUsage


class TranslationText(BaseModel):
    """The answer `json` of a translation."""

    text: str


class VerboseSegment(BaseModel):
    """A segment of `verbose_json`."""

    id: int
    seek: int = Field(description="Where the segment starts, in hundredths of a second.")
    start: float
    end: float
    text: str
    tokens: list[int] = Field([], description="Always empty.")
    temperature: float = Field(0.0, description="Always 0.")
    avg_logprob: float = Field(description="Of its words; 0 where the model tells no probabilities.")
    compression_ratio: float
    no_speech_prob: float = Field(0.0, description="Always 0: where nobody speaks there is no segment.")


class TimedWord(BaseModel):
    """A word of `verbose_json`."""

    word: str
    start: float
    end: float


class VerboseTranscription(BaseModel):
    """The answer `verbose_json`."""

    task: str
    language: str = Field(examples=["hebrew"])
    duration: float
    text: str
    segments: list[VerboseSegment] | None = None
    words: list[TimedWord] | None = None
    usage: AudioUsage


class SpokenSegment(BaseModel):
    """A segment of `diarized_json`."""

    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    id: str
    start: float
    end: float
    text: str
    speaker: str = Field(examples=["A"], description="A letter in order of appearance, or `unknown`.")


class DiarizedTranscription(BaseModel):
    """The answer `diarized_json`."""

    task: str = "transcribe"
    duration: float
    text: str
    segments: list[SpokenSegment]
    usage: AudioUsage


def answer(
    transcript: Transcript, form: ResponseFormat, task: Task, granularities: Collection[Granularity]
) -> tuple[str, str]:
    """The body of an answer, and its media type."""
    match form:
        case ResponseFormat.TEXT:
            return f"{text_of(transcript)}\n", CONTENT_TYPES[Format.TXT]
        case ResponseFormat.SRT | ResponseFormat.VTT:
            subtitles = _SUBTITLES[form]
            return render(_without_speakers(transcript), subtitles), CONTENT_TYPES[subtitles]
        case ResponseFormat.VERBOSE_JSON:
            return verbose(transcript, task, granularities).model_dump_json(exclude_none=True), JSON
        case ResponseFormat.DIARIZED_JSON:
            return diarized(transcript).model_dump_json(), JSON
        case ResponseFormat.JSON if task is Task.TRANSLATE:
            return TranslationText(text=text_of(transcript)).model_dump_json(), JSON
        case ResponseFormat.JSON:
            return TranscriptionText(text=text_of(transcript), usage=usage(transcript)).model_dump_json(), JSON


def pieces(transcript: Transcript) -> Iterator[str]:
    """The text of each segment; all together are the whole text."""
    begun = False
    for segment in transcript.segments:
        text = one_line(segment.text)
        spaced = begun and text and (segment.language or transcript.language) not in WITHOUT_SPACES
        yield f" {text}" if spaced else text
        begun = begun or bool(text)


def text_of(transcript: Transcript) -> str:
    """The whole text in one line."""
    return "".join(pieces(transcript))


def usage(transcript: Transcript) -> AudioUsage:
    """The seconds of the recording."""
    return AudioUsage(seconds=transcript.duration)


def verbose(transcript: Transcript, task: Task, granularities: Collection[Granularity]) -> VerboseTranscription:
    """The answer with segments, words, or both."""
    segments = [_verbose(number, segment) for number, segment in enumerate(transcript.segments)]
    words = [TimedWord(word=w.text, start=w.start, end=w.end) for s in transcript.segments for w in s.words]
    return VerboseTranscription(
        task=str(task),
        language=name_of(transcript.language),
        duration=transcript.duration,
        text=text_of(transcript),
        segments=segments if Granularity.SEGMENT in granularities else None,
        words=words if Granularity.WORD in granularities else None,
        usage=usage(transcript),
    )


def diarized(transcript: Transcript) -> DiarizedTranscription:
    """The answer with speakers."""
    return DiarizedTranscription(
        duration=transcript.duration,
        text=text_of(transcript),
        segments=list(spoken(transcript)),
        usage=usage(transcript),
    )


def spoken(transcript: Transcript) -> Iterator[SpokenSegment]:
    """The segments with their speakers."""
    names = {label: letters(place) for place, label in enumerate(transcript.speakers)}
    for number, segment in enumerate(transcript.segments):
        yield SpokenSegment(
            id=segment_id(number),
            start=segment.start,
            end=segment.end,
            text=one_line(segment.text),
            speaker=names.get(segment.speaker or "", UNKNOWN_SPEAKER),
        )


def segment_id(number: int) -> str:
    """The id of a segment among its transcript's."""
    return f"seg_{number}"


def letters(place: int) -> str:
    """The name of a speaker: A to Z, then AA and so on."""
    more, last = divmod(place, _LETTERS)
    return (letters(more - 1) if more else "") + chr(ord("A") + last)


def _verbose(number: int, segment: Segment) -> VerboseSegment:
    text = one_line(segment.text)
    return VerboseSegment(
        id=number,
        seek=round(segment.start * _FRAMES_PER_SECOND),
        start=segment.start,
        end=segment.end,
        text=text,
        avg_logprob=_average_log_probability(segment),
        compression_ratio=_compression_ratio(text),
    )


def _average_log_probability(segment: Segment) -> float:
    found = [word.probability for word in segment.words if word.probability is not None]
    return sum(math.log(max(each, _LEAST_PROBABILITY)) for each in found) / len(found) if found else 0.0


def _compression_ratio(text: str) -> float:
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain))


def _without_speakers(transcript: Transcript) -> Transcript:
    """The transcript with nobody named, not even by channels, as these forms have it."""
    return replace(transcript, segments=tuple(replace(segment, speaker=None) for segment in transcript.segments))
