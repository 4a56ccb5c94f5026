"""The forms in which a transcript can be read."""

from enum import StrEnum


class Format(StrEnum):
    """Each is also the ending of a file."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
