"""A transcript as text for people and players: txt, srt, vtt, json. Pure."""

import json
import re
import unicodedata

from producers.formats import Format as Format
from schemas.serde import to_json
from schemas.transcript import Segment, Transcript

CONTENT_TYPES: dict[Format, str] = {
    Format.JSON: "application/json",
    Format.TXT: "text/plain; charset=utf-8",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.VTT: "text/vtt; charset=utf-8",
}
_ARROW = re.compile(r"-{2,}>")


def render(transcript: Transcript, form: Format) -> str:
    """The whole transcript in one form, ending with a line break."""
    return _RENDERERS[form](transcript)


def one_line(text: str) -> str:
    """Text safe for a line of a file or a terminal: white space joined, control characters dropped."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text without control characters, which terminals obey."""
    return "".join(c for c in text if unicodedata.category(c) != "Cc")


def clock(seconds: float, separator: str = ".") -> str:
    """A time as HH:MM:SS.mmm, rounded to milliseconds."""
    return _clock(_milliseconds(seconds), separator)


def to_json_text(transcript: Transcript) -> str:
    """The transcript with all its words as one JSON object."""
    return json.dumps(to_json(transcript), ensure_ascii=False, indent=1) + "\n"


def to_txt(transcript: Transcript) -> str:
    """One line a segment: its start, the speaker if known, the text."""
    lines = (f"[{clock(s.start)[:-4]}] {_speaker(s)}{one_line(s.text)}" for s in _spoken(transcript))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def to_srt(transcript: Transcript) -> str:
    """SubRip: numbered cues with the speaker before the text."""
    # SubRip knows no escapes, so an arrow in the text would begin a new cue for some players
    cues = (
        f"{number}\n{_span(segment, ',')}\n{_ARROW.sub('->', _speaker(segment) + one_line(segment.text))}\n"
        for number, segment in enumerate(_spoken(transcript), start=1)
    )
    return "\n".join(cues)


def to_vtt(transcript: Transcript) -> str:
    """WebVTT: cues with a voice tag for the speaker, everything escaped."""
    return "\n".join(["WEBVTT\n", *(f"{_span(s, '.')}\n{_voice(s)}\n" for s in _spoken(transcript))])


def _spoken(transcript: Transcript) -> list[Segment]:
    """In order of time, and without those that have no text: a cue without a line would swallow the next one."""
    return sorted((s for s in transcript.segments if one_line(s.text)), key=lambda segment: segment.start)


def _speaker(segment: Segment) -> str:
    return f"{one_line(segment.speaker)}: " if segment.speaker else ""


def _voice(segment: Segment) -> str:
    text = _escaped(segment.text)
    speaker = _escaped(segment.speaker or "")
    return f"<v {speaker}>{text}</v>" if speaker else text


def _escaped(text: str) -> str:
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _span(segment: Segment, separator: str) -> str:
    start = _milliseconds(segment.start)
    # players drop a cue that ends where it begins
    end = max(_milliseconds(segment.end), start + 1)
    return f"{_clock(start, separator)} --> {_clock(end, separator)}"


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _clock(milliseconds: int, separator: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{rest:03}"


_RENDERERS = {Format.JSON: to_json_text, Format.TXT: to_txt, Format.SRT: to_srt, Format.VTT: to_vtt}
