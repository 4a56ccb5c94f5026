"""Submission of a job: its record, and its acceptance together with an outbox row in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from producers.jobs.webhooks import check_url
from producers.kafka.publisher import record_bytes
from schemas.errors import Poison, Rejected
from schemas.events import JobRequested, Priority, TenantPolicy
from schemas.models.registry import ModelRegistry
from schemas.requests.identity import RequestScope, request_digest
from schemas.requests.limits import check_request, mistakes
from schemas.tenants.permissions import check_host, check_model, may_read, own_key
from schemas.tenants.quotas import MOST_QUEUED
from schemas.topics import JOBS, JOBS_EXPRESS
from schemas.wire.headers import TRACESTATE
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde
from sink.http.url import CheckedUrl
from sink.jobs import queries
from sink.jobs.intake import acceptance
from sink.jobs.intake.acceptance import Acceptance, SharedCommits
from sink.jobs.queries import JobRow
from sink.objects.uri import split_uri
from sink.postgres.database import Database

JOB_TOPICS: Mapping[Priority, str] = {Priority.STANDARD: JOBS, Priority.EXPRESS: JOBS_EXPRESS}
UPLOAD_SCHEME = "upload://"
SUBMISSION = RequestScope.SUBMISSION
# a request leaves room for the headers and for the events that it travels in later
MAX_REQUEST_BYTES = 300_000


@dataclass(frozen=True, slots=True)
class Trace:
    """The W3C trace context a request came with."""

    parent: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job in the database; `created` is False when it existed before."""

    job: JobRow
    created: bool


def check(
    request: JobRequested,
    policy: TenantPolicy,
    registry: ModelRegistry,
    now: datetime,
    check_address: Callable[[str], CheckedUrl],
    key_of: Callable[[str], str],
) -> None:
    """Reject early what could only fail later; raises Rejected, naming the fields where it can.

    `check_address` raises Permanent for a forbidden address and returns the parts of any other, `key_of` raises it for
    an s3 address outside of the bucket and returns the key of any other.
    """
    check_fields(request)
    check_model(policy, check_request(request, registry, now).name)
    check_object(request, policy, key_of)
    if urlsplit(request.source.uri).scheme in ("https", "http"):
        check_host(policy, check_address(request.source.uri).host)
    if request.webhook_url is not None:
        check_url(request.webhook_url, check_address, "webhook_url")


def check_fields(request: JobRequested) -> None:
    """Raise Rejected with every field that exceeds its limits, by the names that clients use."""
    found = tuple({"field": field.removeprefix("options."), "message": message} for field, message in mistakes(request))
    if found:
        raise Rejected("invalid_request", "; ".join(f"{e['field']}: {e['message']}" for e in found), found)


def check_object(request: JobRequested, policy: TenantPolicy, key_of: Callable[[str], str]) -> None:
    """Raise Permanent(source_refused) for an s3 address that is neither the tenant's own nor allowed to the tenant."""
    uri = request.source.uri
    if urlsplit(uri).scheme != "s3":  # in lower case, however it was written
        return
    if may_read(policy, uri):
        split_uri(uri)
    else:
        own_key(request.tenant, uri, key_of)


def job_record(
    serde: Serde,
    request: JobRequested,
    source: str,
    now: datetime,
    trace: Trace = Trace(),
    topics: Mapping[Priority, str] = JOB_TOPICS,
) -> Record:
    """The record that announces a job; raises Rejected when it is too large, or cannot be decoded again."""
    record = record_of(serde, topics[request.priority], request, source, now, trace.parent)
    try:
        serde.decode(record.value, JobRequested)
    except Poison as error:
        raise Rejected("invalid_request", f"it makes no readable event: {error}") from error
    if (size := record_bytes(record)) > MAX_REQUEST_BYTES:
        raise Rejected("request_too_large", f"{size} bytes as an event, at most {MAX_REQUEST_BYTES}")
    if trace.parent and trace.state:
        record.headers[TRACESTATE] = trace.state
    return record


async def accept(
    database: Database,
    request: JobRequested,
    record: Record,
    policy: TenantPolicy | None = None,
    commits: SharedCommits | None = None,
) -> Accepted | None:
    """Commit a job and its outbox row, or find the job of an identical earlier request: one round trip.

    With `commits`, in a transaction with others that come at the same time.

    Returns None when `policy`, by which the request was checked, is no longer the tenant's. Raises Rejected: conflict
    when the id belongs to another request, quota_exceeded when more jobs of the tenant would wait than it allows; and
    Outage when the database is unavailable.
    """
    digest = request_digest(request, SUBMISSION)
    most, at = (policy.quotas.get(MOST_QUEUED), policy.at) if policy else (None, None)
    commit = commits.accept if commits is not None else acceptance.accept
    answer, job = await commit(database, request, digest, record, most_waiting=most, policy_at=at)
    if answer is Acceptance.STALE:
        return None
    if answer is Acceptance.FULL:
        raise Rejected("quota_exceeded", f"at most {most}")
    created = answer is Acceptance.ACCEPTED
    if job is None or not (created or _is_same(job, request, digest)):
        raise Rejected("conflict", f"job_id {request.job_id}")
    return Accepted(job, created)


async def known(database: Database, request: JobRequested) -> JobRow | None:
    """The job of an identical earlier request, None if there is none."""
    digest = request_digest(request, SUBMISSION)
    async with database.as_tenant(request.tenant) as connection:
        job = await queries.find(connection, request.job_id, request.tenant)
    return job if job is not None and _is_same(job, request, digest) else None


def _is_same(job: JobRow, request: JobRequested, digest: bytes) -> bool:
    if job.fingerprint is not None:
        return job.fingerprint == digest
    # it came over Kafka, and its address is kept without the query
    return request_digest(job.request, SUBMISSION) == request_digest(request.without_query(), SUBMISSION)
