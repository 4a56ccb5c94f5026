"""Corrections of transcripts: what a revision changes, who made it, and when."""

from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from .document import Document


class SegmentEdit(TypedDict, total=False):
    """A correction of one segment by its `index`, from 0: its text, who says it, or both."""

    index: int
    text: str
    speaker: str


class Changes(Document):
    """The changes since the revision before: names by the machine's labels, and segments."""

    speakers: dict[str, str]
    segments: tuple[dict[str, Any], ...]


class Correction(Document):
    """A transcript after a correction; without changes when all was so already."""

    job_id: UUID
    run: int
    revision: int
    changes: Changes
    links: dict[str, str]

    @property
    def tag(self) -> str:
        """The tag of the transcript as it is now, for the next correction."""
        return str(self.raw["tag"])


class Revision(Document):
    """A revision of a transcript, made with a key."""

    number: int
    run: int
    at: datetime
    key_id: str
    changes: Changes
