"""The output formats of transcripts."""

from enum import StrEnum


class Format(StrEnum):
    """A format of transcripts, by the name that clients give."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    TSV = "tsv"
    DOCX = "docx"
    WORDS = "words"

    @property
    def extension(self) -> str:
        """The extension of its files, without the dot in front."""
        return "words.json" if self is Format.WORDS else self.value


def format_of(file_name: str) -> Format | None:
    """The format that the extension of a file stands for, the longest that fits; None for an unknown one."""
    fitting = (form for form in Format if file_name.lower().endswith(f".{form.extension}"))
    return max(fitting, key=lambda form: len(form.extension), default=None)
