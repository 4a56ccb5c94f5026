"""Submitting over Kafka, without REST: what an upstream system does."""

import hashlib
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from producers.api.bodies import JobFields
from producers.publisher import Publisher
from producers.submit import UPLOAD_SCHEME, job_record
from schemas.errors import Rejected
from schemas.events import JobRequested, Source
from schemas.objects import check_tenant, upload_key
from schemas.ports import ObjectStore
from schemas.requests import check_source, mistakes
from schemas.settings import KafkaAndObjects
from sink.s3 import S3ObjectStore
from sink.schema_registry import serde_for

PUBLISH_SECONDS = 15.0


def publish_job(
    settings: KafkaAndObjects, recording: str | Path, fields: JobFields, tenant: str, now: datetime
) -> UUID:
    """Publish JobRequested and return the job's id; a file goes into the object store first.

    Raises Rejected for what is wrong with the request, Outage when Kafka or the object store is away.
    """
    check_tenant(tenant)
    if isinstance(recording, Path):
        source = upload(S3ObjectStore(settings), tenant, recording)
    else:
        source = Source(uri=recording)
    request = fields.request(tenant, source, now)
    _check(request)
    record = job_record(serde_for(settings), request, "cli", now)
    with Publisher(settings, "scribe-cli", timeout=PUBLISH_SECONDS) as publisher:
        publisher.publish(record)
    return request.job_id


def upload(store: ObjectStore, tenant: str, path: Path) -> Source:
    """Put a file where uploads through REST lie too."""
    upload_id = uuid4()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        info = store.put_stream(upload_key(tenant, upload_id), file, content_type="application/octet-stream")
    return Source(uri=f"{UPLOAD_SCHEME}{upload_id}", sha256=digest, size_bytes=info.size_bytes)


def _check(request: JobRequested) -> None:
    """What can be seen from here; which models there are is known only where the transcribers run."""
    if found := mistakes(request):
        raise Rejected("invalid_request", "; ".join(f"{field}: {message}" for field, message in found))
    check_source(request.source)
