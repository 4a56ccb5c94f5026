"""What makes two requests under one job id the same: recording and options, not what is beside them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from schemas.events import JobRequested, Options
from schemas.wire.serde import to_json

_DEFAULTS = asdict(Options())


def request_digest(request: JobRequested) -> bytes:
    """The digest of what a job is to be made of; two requests under one id that differ in it are in conflict."""
    return digest_of(to_json(request.without_query()))


def digest_of(request: Mapping[str, Any]) -> bytes:
    """The same of a JobRequested as JSON, its source without query."""
    # what stands at its default is left out, so that a new option makes no old request another one
    options = {name: value for name, value in request["options"].items() if value != _DEFAULTS.get(name)}
    what = [request["source"]["uri"], request["recording_id"], options]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).digest()
