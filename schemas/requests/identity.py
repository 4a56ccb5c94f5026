"""Identity of requests under one job id: one digest, in two scopes.

Digests are stored and compared with events of the previous version: their composition must not change.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from enum import Enum, auto
from typing import Any

from schemas.events import JobRequested, Options, without_query
from schemas.wire.serde import to_json

_DEFAULTS = asdict(Options())
_FIELDS = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(JobRequested)
}
# what may differ between two submissions of one request
_INCIDENTAL = frozenset({"requested_at", "run"})
# what came after digests of submissions were stored: left out where they stand at their default
_LATER_FIELDS: frozenset[str] = frozenset()
_LATER_OPTIONS = frozenset({"track"})
_UPLOAD = "upload://"


class RequestScope(Enum):
    """Scopes in which two requests are compared."""

    WORK = auto()
    """What a job is to be made of: recording and options. Events under one id that differ in it are in conflict."""
    SUBMISSION = auto()
    """All that a client asked for: a submission that is sent again is the same one only if nothing differs."""


def request_digest(request: JobRequested | Mapping[str, Any], scope: RequestScope = RequestScope.WORK) -> bytes:
    """The digest of a request, or of one as JSON; equal for requests that are the same in a scope."""
    plain = to_json(request) if isinstance(request, JobRequested) else request
    said = _work(plain) if scope is RequestScope.WORK else _submission(plain)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


def _work(request: Mapping[str, Any]) -> list[Any]:
    # what stands at its default is left out, so that a new option makes no old request another one
    options = {name: value for name, value in request["options"].items() if value != _DEFAULTS.get(name)}
    return [without_query(request["source"]["uri"]), request["recording_id"], options]


def _submission(request: Mapping[str, Any]) -> dict[str, Any]:
    """An upload counts by its content, and no file by its name."""
    unsaid = {name for name in _LATER_FIELDS if request.get(name, _FIELDS[name]) == _FIELDS[name]}
    asked = {name: value for name, value in request.items() if name not in _INCIDENTAL | unsaid}
    source = {name: value for name, value in asked["source"].items() if name != "name"}
    if source["uri"].startswith(_UPLOAD) and source["sha256"]:
        source["uri"] = _UPLOAD
    unused = {name for name in _LATER_OPTIONS if asked["options"].get(name, _DEFAULTS[name]) == _DEFAULTS[name]}
    options = {name: value for name, value in asked["options"].items() if name not in unused}
    return {**asked, "source": source, "options": options}
