"""Limits of a request, the same for REST, the command line and the job topics."""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from schemas.errors import Permanent
from schemas.events import JobRequested, Options, Source
from schemas.models.registry import ModelEntry, ModelRegistry
from schemas.vocabulary.languages import likely_code
from schemas.wire.object_keys import check_tenant

MAX_SPEAKERS = 50
MAX_URI_CHARS = 8192
MAX_WEBHOOK_BYTES = 2000  # the database keeps an index of them
MAX_ID_CHARS = 256
MAX_FILE_NAME_CHARS = 1024  # of any system, with its path; 255 bytes of it are shown
MAX_HOTWORDS_CHARS = 2000
MAX_PROMPT_CHARS = 4000  # the engine keeps as many words of its end as make 110 tokens, and says so
MAX_TRACK_CHARS = 35  # of a language tag
MAX_METADATA_ITEMS = 64
MAX_RUN = 2**31 - 1  # what Avro and the database have numbers for
MAX_METADATA_KEY_CHARS = 128
MAX_METADATA_VALUE_CHARS = 2000
# room on both sides of what can be written and read in every zone of time
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
SHA256 = re.compile(r"[0-9a-f]{64}")
_TRACK = re.compile(r"[1-9][0-9]?|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
TRACK_FORM = "must be the number of an audio track, from 1, or its language, such as he"

Mistake = tuple[str, str]  # dotted field name, what is wrong with it
T = TypeVar("T")


def check_request(request: JobRequested, registry: ModelRegistry, now: datetime) -> ModelEntry:
    """The transcriber that the request names; raises Permanent with the code of the first mistake.

    Codes: invalid_request, source_refused, expired, and those of `ModelRegistry.for_job`.
    """
    check_tenant(request.tenant)
    if found := mistakes(request):
        raise Permanent("invalid_request", "; ".join(f"{field}: {message}" for field, message in found))
    check_source(request.source)
    entry = registry.for_job(request.options)
    if request.expires_at is not None and request.expires_at <= now:
        raise Permanent("expired", f"expires_at was {request.expires_at.isoformat()}")
    return entry


def mistakes(request: JobRequested) -> tuple[Mistake, ...]:
    """All out-of-range fields, in the order of the request; references to outside systems are not checked."""
    return tuple(found for rule in _RULES for found in rule(request))


def slim_request(request: JobRequested) -> JobRequested:
    """The request without its free texts, and with a limit on every other text: the form in a failed result."""
    short = cut(request)
    options = replace(short.options, hotwords=None, prompt=None)
    return replace(short, metadata={}, options=options, webhook_url=_whole(request.webhook_url))


def cut(value: T, limit: int = MAX_ID_CHARS) -> T:
    """`value` with every text in it cut to the longest valid length."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return value[:limit]  # type: ignore[return-value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    limits = {f.name: MAX_URI_CHARS if f.name == "uri" else MAX_ID_CHARS for f in fields(value)}
    return replace(value, **{name: cut(getattr(value, name), most) for name, most in limits.items()})


def _whole(url: str | None) -> str | None:
    # a part of an address would be another address
    return url if url is None or len(url) <= MAX_URI_CHARS else None


def check_source(source: Source) -> None:
    """Check that the address has a form that can be fetched; raises Permanent(source_refused).

    Hosts, networks and buckets are looked at when it is fetched.
    """
    parts = _split(source.uri)
    if parts is None or parts.scheme not in _SOURCES or not _SOURCES[parts.scheme](parts):
        why = _unreadable(source.uri) if parts is None else None
        raise Permanent("source_refused", f"it {why or 'must be https://host/path, s3://bucket/key or upload://id'}")


def _unreadable(uri: str) -> str | None:
    """The reason why an address cannot be parsed, None when no particular one is found."""
    if " " in uri:
        return "must not have a blank: write %20"
    if hidden := next((character for character in uri if not character.isprintable()), None):
        return f"must not have the character U+{ord(hidden):04X}, which is not seen"
    if len(uri) > MAX_URI_CHARS:
        return f"must not be longer than {MAX_URI_CHARS} characters"
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "has a host that cannot be read"
    try:
        _ = parts.port
    except ValueError:
        return "must have a port from 0 to 65535, or none"
    return None


def _split(uri: str) -> SplitResult | None:
    if len(uri) > MAX_URI_CHARS or not uri.isprintable() or " " in uri:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _has_plain_host(parts: SplitResult) -> bool:
    return bool(parts.hostname) and "@" not in parts.netloc and "\\" not in parts.netloc


def _is_object(parts: SplitResult) -> bool:
    return _has_plain_host(parts) and len(parts.path) > 1


def _is_upload(parts: SplitResult) -> bool:
    try:
        UUID(parts.netloc)
    except ValueError:
        return False
    return not parts.path


_SOURCES: dict[str, Callable[[SplitResult], bool]] = {
    "https": _has_plain_host,
    "http": _has_plain_host,  # refused outside of development, when it is fetched
    "s3": _is_object,
    "upload": _is_upload,
}


def _identity(request: JobRequested) -> Iterator[Mistake]:
    if not 1 <= request.run <= MAX_RUN:
        yield "run", f"must be between 1 and {MAX_RUN}"
    yield from _text("recording_id", request.recording_id, MAX_ID_CHARS)


def _times(request: JobRequested) -> Iterator[Mistake]:
    for name in ("requested_at", "expires_at"):
        value = getattr(request, name)
        if value is not None and (value.tzinfo is None or not EARLIEST <= value < LATEST):
            yield name, f"must have a time zone and lie in the years {EARLIEST.year} to {LATEST.year - 1}"


def _source(request: JobRequested) -> Iterator[Mistake]:
    source = request.source
    if source.sha256 is not None and not SHA256.fullmatch(source.sha256):
        yield "source.sha256", "must be 64 lower-case hex digits"
    if source.size_bytes is not None and source.size_bytes < 0:
        yield "source.size_bytes", "must not be negative"
    yield from _text("source.name", source.name, MAX_FILE_NAME_CHARS)


def _options(request: JobRequested) -> Iterator[Mistake]:
    options = request.options
    yield from _text("options.hotwords", options.hotwords, MAX_HOTWORDS_CHARS)
    yield from _text("options.prompt", options.prompt, MAX_PROMPT_CHARS)
    yield from _speakers(options)
    yield from _track(options.track)


def _speakers(options: Options) -> Iterator[Mistake]:
    for name in ("num_speakers", "min_speakers", "max_speakers"):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= MAX_SPEAKERS:
            yield f"options.{name}", f"must be between 1 and {MAX_SPEAKERS}"
    least, most, exact = options.min_speakers, options.max_speakers, options.num_speakers
    if least is not None and most is not None and least > most:
        yield "options.min_speakers", "must not be greater than max_speakers"
    if exact is not None and not (least or exact) <= exact <= (most or exact):
        yield "options.num_speakers", "must lie between min_speakers and max_speakers, or stand alone"


def _track(track: str | None) -> Iterator[Mistake]:
    if track is not None and not (len(track) <= MAX_TRACK_CHARS and _TRACK.fullmatch(track)):
        meant = likely_code(track)
        yield "options.track", f"{TRACK_FORM}; did you mean `{meant}`?" if meant else TRACK_FORM


def webhook_mistakes(url: str) -> tuple[str, ...]:
    """Mistakes in the form of a webhook's address; whether it may be called is checked elsewhere."""
    found: list[str] = []
    parts = _split(url)
    if parts is None:
        found.append(_unreadable(url) or "must be an http(s) address with a host")
    elif parts.scheme not in ("https", "http") or not _has_plain_host(parts):
        found.append("must be an http(s) address with a host and no credentials")
    if len(url.encode("utf-8", "replace")) > MAX_WEBHOOK_BYTES:
        found.append(f"must not be longer than {MAX_WEBHOOK_BYTES} bytes")
    return tuple(found)


def _webhook(request: JobRequested) -> Iterator[Mistake]:
    if request.webhook_url is not None:
        yield from (("webhook_url", message) for message in webhook_mistakes(request.webhook_url))


def _enhancement(request: JobRequested) -> Iterator[Mistake]:
    if request.enhancement is not None:
        if not (request.enhancement.summarization or request.enhancement.entity_extraction):
            yield "enhancement", "must ask for summarization, entity_extraction, or both"
        yield from _text("enhancement.llm_model", request.enhancement.llm_model, MAX_ID_CHARS)


def _metadata(request: JobRequested) -> Iterator[Mistake]:
    if len(request.metadata) > MAX_METADATA_ITEMS:
        yield "metadata", f"must have at most {MAX_METADATA_ITEMS} entries"
        return
    for key, value in request.metadata.items():
        yield from _text("metadata", key, MAX_METADATA_KEY_CHARS, what="a key ")
        yield from _text("metadata", value, MAX_METADATA_VALUE_CHARS, what="a value ")


def _text(field: str, value: str | None, limit: int, what: str = "") -> Iterator[Mistake]:
    if value is None:
        return
    if len(value) > limit:
        yield field, f"{what}must have at most {limit} characters"
    if "\x00" in value:  # the database's text cannot hold it
        yield field, f"{what}must not contain the NUL character"


_RULES: tuple[Callable[[JobRequested], Iterator[Mistake]], ...] = (
    _identity,
    _times,
    _source,
    _options,
    _enhancement,
    _webhook,
    _metadata,
)
