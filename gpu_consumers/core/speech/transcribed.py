"""Checks of a transcript that awaits diarization, since its topic may hold records of other writers. Pure."""

from collections.abc import Iterator

from schemas.errors import Permanent
from schemas.events import TranscriptReady
from schemas.requests.limits import Mistake, mistakes
from schemas.wire.object_keys import check_tenant

LONGEST_SECONDS = 31 * 86_400.0  # no recording is that long, and what is charged for one stays a number to count with


def check_transcribed(event: TranscriptReady) -> None:
    """Raise Permanent(invalid_request) for values that no transcriber writes; nothing may be used before this check.

    This includes the tenant: words are read as `event.tenant`, and reported to the tenant of the request inside.
    """
    check_tenant(event.tenant)
    if found := (*_identity(event), *_audio(event), *mistakes(event.request)):
        raise Permanent("invalid_request", "; ".join(f"{field}: {message}" for field, message in found))


def _identity(event: TranscriptReady) -> Iterator[Mistake]:
    for name in ("job_id", "run", "tenant"):
        if getattr(event, name) != getattr(event.request, name):
            yield name, "is not that of the request inside"


def _audio(event: TranscriptReady) -> Iterator[Mistake]:
    if not 0 <= event.audio.duration <= LONGEST_SECONDS:  # nor is it what is no number at all
        yield "audio.duration", f"must be between 0 and {LONGEST_SECONDS:g} seconds"
    if event.audio.channels < 1:
        yield "audio.channels", "must be at least 1"
