"""Submission over Kafka, without REST, as an upstream system does it."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from producers.api.jobs.bodies import JobFields
from producers.cli.clients.objects import asking_store
from producers.jobs.submit import UPLOAD_SCHEME, check_fields, check_object, job_record
from producers.jobs.webhooks import check_url as check_webhook
from producers.kafka.admin import TopicAdmin
from producers.kafka.publisher import Publisher
from producers.kafka.tenant_policies import read_policies
from schemas.errors import Fatal, Outage, Permanent
from schemas.events import JobRequested, Source
from schemas.ports import ObjectStore
from schemas.requests.limits import check_source
from schemas.requests.recording_names import safe_name
from schemas.settings.loading import load
from schemas.settings.outbound import OutboundSettings
from schemas.settings.processes import KafkaAndObjects
from schemas.settings.service import ServiceSettings
from schemas.tenants.permissions import free_policy
from schemas.wire.object_keys import check_tenant, upload_key
from sink.http.client import check_url
from sink.objects.s3 import S3ObjectStore
from sink.objects.uri import key_of
from sink.records.serdes import serde_for

PUBLISH_SECONDS = 15.0


def publish_job(
    settings: KafkaAndObjects, recording: str | Path, fields: JobFields, tenant: str, now: datetime
) -> UUID:
    """Publish JobRequested and return the job's id; a file is uploaded only after all other checks.

    Which models exist, and which addresses host names have, is known only where the transcribers run. Raises Rejected
    for errors in the request, Outage when Kafka or the object store is unavailable.
    """
    check_tenant(tenant)
    source = source_of(recording) if isinstance(recording, Path) else Source(uri=recording)
    request = fields.request(tenant, source, now)
    check_fields(request)
    check_source(request.source)
    _check_addresses(request)
    record = job_record(serde_for(settings), request, "cli", now)
    _check_topic(settings, record.topic)
    _check_object(settings, request, now)
    if isinstance(recording, Path):
        with asking_store(settings) as store:
            store.info(_upload_key(request))
    with Publisher(settings, "scribe-cli", timeout=PUBLISH_SECONDS) as publisher:
        if isinstance(recording, Path):
            _publish_with(S3ObjectStore(settings), recording, request, lambda: publisher.publish(record))
        else:
            publisher.publish(record)
    return request.job_id


def _check_addresses(request: JobRequested) -> None:
    """Reject addresses that may not be called, as REST does, as far as that is known without a DNS look-up."""
    check = partial(check_url, settings=load(OutboundSettings), environment=load(ServiceSettings).environment)
    if urlsplit(request.source.uri).scheme in ("https", "http"):
        check(request.source.uri)
    if request.webhook_url is not None:
        check_webhook(request.webhook_url, check, "webhook_url")


def _check_object(settings: KafkaAndObjects, request: JobRequested, now: datetime) -> None:
    """Check access to the object; policies are read only for what a tenant without one may not read."""
    key = partial(key_of, settings.s3_bucket)
    try:
        check_object(request, free_policy(request.tenant), key)
    except Permanent:
        if (policy := read_policies(settings, now).get(request.tenant)) is None:
            raise
        check_object(request, policy, key)


def _check_topic(settings: KafkaAndObjects, topic: str) -> None:
    """Report an unavailable broker or a missing topic before a file is sent."""
    if not TopicAdmin(settings).partitions([topic]):
        raise Outage(f"Kafka has no topic {topic}; create it with `scribe topics apply`")


def source_of(path: Path) -> Source:
    """The source of a file, which will be uploaded."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = safe_name(path.name)
        return Source(uri=f"{UPLOAD_SCHEME}{uuid4()}", sha256=digest, size_bytes=file.tell(), name=name)


def _upload_key(request: JobRequested) -> str:
    return upload_key(request.tenant, UUID(request.source.uri.removeprefix(UPLOAD_SCHEME)))


def _publish_with(store: ObjectStore, path: Path, request: JobRequested, publish: Callable[[], None]) -> None:
    """Store a file with the uploads of REST, then publish; a refused record leaves no object behind."""
    key = _upload_key(request)
    with path.open("rb") as file:
        store.put_stream(key, file, content_type="application/octet-stream")
    try:
        publish()
    except (Permanent, Fatal):  # after an Outage the broker may have the record all the same, and then needs the file
        store.delete(key)
        raise
