"""The output formats of transcripts."""

from enum import StrEnum


class Format(StrEnum):
    """A format, whose value is also the file extension."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
