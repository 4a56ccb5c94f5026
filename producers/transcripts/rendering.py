"""Rendering of a transcript as text for people, players and tables: txt, srt, vtt, tsv, json, words. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from producers.messages.plain_text import one_line
from producers.transcripts.formats import Format
from producers.transcripts.subtitles import Cue, cues, shown
from schemas.transcript import WITHOUT_SPACES, Segment, Transcript, Word, has_space_before
from schemas.wire import serde

CONTENT_TYPES: dict[Format, str] = {
    Format.JSON: "application/json",
    Format.TXT: "text/plain; charset=utf-8",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.VTT: "text/vtt; charset=utf-8",
    Format.TSV: "text/tab-separated-values; charset=utf-8",
    Format.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Format.WORDS: "application/json",
}
_ARROW = re.compile(r"-{2,}>")


def render(transcript: Transcript, form: Format) -> str:
    """The whole transcript in one of the formats that are text, ending with a line break."""
    return _RENDERERS[form](transcript)


def clock(seconds: float, separator: str = ".") -> str:
    """A time as HH:MM:SS.mmm, rounded to milliseconds."""
    return _clock(_milliseconds(seconds), separator)


def to_json_text(transcript: Transcript) -> str:
    """The transcript with all its words as one JSON object."""
    return serde.to_json_text(transcript, indent=1).decode() + "\n"


def to_txt(transcript: Transcript) -> str:
    """One line for each segment: its start, the speaker if known, the text."""
    lines = (f"[{clock(s.start)[:-4]}] {_speaker(s)}{one_line(s.text)}" for s in spoken(transcript))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def to_srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, with the speaker before the text where the speaker changes."""
    # SubRip knows no escapes, so an arrow in the text would begin a new cue for some players
    found = (
        f"{number}\n{_span(cue, ',')}\n{_ARROW.sub('->', chr(10).join(shown(cue)))}\n"
        for number, cue in enumerate(cues(transcript), start=1)
    )
    return "\n".join(found)


def to_vtt(transcript: Transcript) -> str:
    """WebVTT: cues with a voice tag for the speaker, everything escaped."""
    return "\n".join(["WEBVTT\n", *(f"{_span(cue, '.')}\n{_voice(cue)}\n" for cue in cues(transcript))])


def to_tsv(transcript: Transcript) -> str:
    """A table with a line for each segment: start and end in whole milliseconds, as Whisper writes them, speaker, text."""
    rows = (
        (str(_milliseconds(s.start)), str(_milliseconds(s.end)), one_line(s.speaker or ""), one_line(s.text))
        for s in spoken(transcript)
    )
    return "".join("\t".join(row) + "\n" for row in (("start", "end", "speaker", "text"), *rows))


def to_words(transcript: Transcript) -> str:
    """All words in order of time as one JSON object: what a player needs to follow the recording.

    A word has all that is known of it: its speaker, channel and language too where only its segment has them. A segment
    without words, as of a job that wants no times of words, is one by itself.
    """
    words = [word for segment in transcript.segments for word in _words(transcript, segment)]
    words.sort(key=lambda word: word["start"])
    whole = {"language": transcript.language, "duration": transcript.duration, "words": words}
    return json.dumps(whole, ensure_ascii=False) + "\n"


def _words(transcript: Transcript, segment: Segment) -> Iterator[dict[str, Any]]:
    whole = Word(start=segment.start, end=segment.end, text=one_line(segment.text))
    for place, word in enumerate(segment.words or ([whole] if whole.text else [])):
        # what a first word says of the blank before it is of the line that it begins, not of the text as a whole
        first = place == 0 and transcript.language not in WITHOUT_SPACES
        yield {
            "start": word.start,
            "end": word.end,
            "text": word.text,
            "space_before": first or (place > 0 and has_space_before(word, transcript.language)),
            "probability": word.probability,
            "speaker": word.speaker or segment.speaker,
            "channel": segment.channel,
            "language": word.language or segment.language or transcript.language,
        }


def spoken(transcript: Transcript) -> list[Segment]:
    """Segments in order of time, without empty ones: a cue without text would swallow the next one."""
    return sorted((s for s in transcript.segments if one_line(s.text)), key=lambda segment: segment.start)


def _speaker(segment: Segment) -> str:
    return f"{one_line(segment.speaker)}: " if segment.speaker else ""


def _voice(cue: Cue) -> str:
    text = _escaped("\n".join(shown(replace(cue, label=""))))
    speaker = _escaped(one_line(cue.speaker or ""))
    return f"<v {speaker}>{text}</v>" if speaker else text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _span(cue: Cue, separator: str) -> str:
    start = _milliseconds(cue.start)
    # players drop a cue that ends where it begins
    end = max(_milliseconds(cue.end), start + 1)
    return f"{_clock(start, separator)} --> {_clock(end, separator)}"


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _clock(milliseconds: int, separator: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{rest:03}"


_RENDERERS = {
    Format.JSON: to_json_text,
    Format.TXT: to_txt,
    Format.SRT: to_srt,
    Format.VTT: to_vtt,
    Format.TSV: to_tsv,
    Format.WORDS: to_words,
}
