"""The tus protocol 1.0.0 (core, creation, expiration, checksum, termination): its headers, read and written. Pure."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from starlette.datastructures import Headers
from starlette.types import Scope

from producers.inputs.validation_errors import refused
from schemas.errors import Rejected
from schemas.requests.recording_names import safe_name

PATH = "/api/v1/uploads"
VERSION = "1.0.0"
EXTENSIONS = ("creation", "expiration", "checksum", "termination")
ALGORITHMS = ("sha1", "sha256")
PIECE = "application/offset+octet-stream"
RESUMABLE, LENGTH, OFFSET, METADATA = "Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata"
EXPIRES, CHECKSUM, OVERRIDE = "Upload-Expires", "Upload-Checksum", "X-HTTP-Method-Override"
ANSWERED = (RESUMABLE, "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
"""Headers of the protocol that say what is known here; those of one upload come beside them."""
MAX_METADATA_CHARS = 4096
WRITTEN_BYTES = r"^[0-9]{1,15}$"
_BYTES = re.compile(WRITTEN_BYTES)
_NAMES = ("filename", "name")  # of tus-js-client and tuspy, and of Uppy
_OVERRIDDEN = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})


class UnsupportedVersion(Rejected):
    """Error: a version of the protocol that is not known; the answer names the known one."""

    def __init__(self, given: str) -> None:
        self.headers = {"Tus-Version": VERSION}
        super().__init__("unsupported_version", f"{RESUMABLE}: {given[:20]}")


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum of a request's bytes."""

    algorithm: str
    digest: bytes

    def is_of(self, hashed: "hashlib._Hash") -> bool:
        """Whether it is that of what was hashed."""
        return hashed.digest() == self.digest


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of an upload: as they came, the name of the file, and the priority of the job that is to be made of it."""

    text: str | None
    name: str | None
    priority: str | None


def is_upload_path(path: str) -> bool:
    """Whether an address is one of this protocol."""
    return path == PATH or path.startswith(f"{PATH}/")


def method_of(scope: Scope) -> str:
    """The method of a request, which a header of the protocol may replace where a client can send no other than POST."""
    method: str = scope["method"]
    if method != "POST" or not is_upload_path(scope["path"]):
        return method
    given = Headers(scope=scope).get(OVERRIDE.lower(), method)
    return given if given in _OVERRIDDEN else method


def answer_headers(method: str, max_bytes: int) -> dict[str, str]:
    """Headers of every answer; what is known here is said to OPTIONS."""
    if method != "OPTIONS":
        return {RESUMABLE: VERSION}
    known = (VERSION, VERSION, ",".join(EXTENSIONS), str(max_bytes), ",".join(ALGORITHMS))
    return dict(zip(ANSWERED, known, strict=True))


def check_version(headers: Headers) -> None:
    """Raise UnsupportedVersion for another version than ours; a request without one is taken as of ours."""
    if (given := _single(headers, RESUMABLE)) not in (None, VERSION):
        raise UnsupportedVersion(str(given))


def read_bytes(headers: Headers, name: str) -> int:
    """A number of bytes; raises Rejected(invalid_request)."""
    given = _single(headers, name)
    if given is None or not _BYTES.fullmatch(given):
        raise _wrong(name, "must be a number of bytes, in digits")
    return int(given)


def read_checksum(headers: Headers) -> Checksum | None:
    """The checksum of the body, None where there is none; raises Rejected(unknown_checksum)."""
    if (given := _single(headers, CHECKSUM)) is None:
        return None
    algorithm, _, text = given.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Rejected("unknown_checksum", f"{algorithm[:20]} is none of {', '.join(ALGORITHMS)}")
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Rejected("unknown_checksum", "it is not base64") from error
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise Rejected("unknown_checksum", f"it is too long or too short for {algorithm}")
    return Checksum(algorithm, digest)


def read_metadata(headers: Headers) -> Metadata:
    """The metadata of a new upload; raises Rejected(invalid_request). Names that are not known here are kept as they are."""
    text = _single(headers, METADATA)
    if text is None or not text.strip():
        return Metadata(None, None, None)
    if len(text) > MAX_METADATA_CHARS:
        raise _wrong(METADATA, f"must be at most {MAX_METADATA_CHARS} characters")
    values = _pairs(text)
    found = next((values[name] for name in _NAMES if values.get(name)), "")
    return Metadata(text, safe_name(found), values.get("priority"))


def _pairs(text: str) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for pair in text.split(","):
        name, _, encoded = pair.strip().partition(" ")
        if not name or not name.isascii():
            raise _wrong(
                METADATA, "must be names in ASCII, each with its value in base64 behind a blank, and commas between"
            )
        if name in values:
            raise _wrong(METADATA, f"has {name[:40]} more than once")
        try:
            values[name] = base64.b64decode(encoded.strip(), validate=True).decode(errors="replace")
        except ValueError:  # also of a character that is not ASCII
            raise _wrong(METADATA, f"the value of {name[:40]} is not base64") from None
    return values


def expires(at: datetime) -> str:
    """A time as a header has it."""
    return format_datetime(at, usegmt=True)


def _single(headers: Headers, name: str) -> str | None:
    lines = headers.getlist(name)
    if len(lines) > 1:
        raise _wrong(name, "is given more than once")
    return lines[0] if lines else None


def _wrong(name: str, message: str) -> Rejected:
    return refused([(("header", name), message)])
