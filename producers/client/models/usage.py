"""The usage of a tenant: by day, and in all."""

from datetime import date

from .document import Document


class Usage(Document):
    """Jobs that ended, seconds of their audio and of workers, bytes of recordings, tokens of the enhanced-AI service."""

    completed: int
    failed: int
    cancelled: int
    audio_seconds: float
    gpu_seconds: float
    bytes: int
    tokens: int


class DayUsage(Usage):
    """The usage of a day (UTC)."""

    day: date


class UsageReport(Document):
    """The days from `since` to `until` on which there was any usage, and their sum."""

    tenant: str
    since: date
    until: date
    total: Usage
    days: tuple[DayUsage, ...]
