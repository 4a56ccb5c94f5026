"""Agents of scribe.webhooks: the end of a job or an enhancement becomes a delivery to the job's webhook address."""

import asyncio
from typing import Any
from uuid import UUID

from schemas.errors import Permanent
from schemas.events import EnhancementResult, JobRequested, JobResult, Outcome
from schemas.process.failpoints import failpoint
from schemas.requests.identity import request_digest
from schemas.requests.limits import mistakes
from schemas.topics import ENHANCEMENTS, RESULTS
from schemas.wire.object_keys import TENANT, check_tenant
from sink.enhancements.requests import webhook_of
from sink.jobs.runs import stored_request
from sink.postgres.database import Connection, Database
from sink.webhooks.deliveries import NewDelivery, Scheduling, add, endpoint_id, register_endpoint
from sink.webhooks.secrets import SecretBox
from streams.agents.transcript_store import check_result
from streams.kafka.transport import ScribeApp
from streams.runtime.app import RawSchema
from streams.runtime.event_loop import EventLoop
from streams.webhooks import enhancement_payload
from streams.webhooks.job_payload import TYPES, payload_of

CONCURRENCY = 32  # Faust hands records of both topics on in one line: a slow one holds the other
NOBODY = "-"  # owns the endpoints of tenants that cannot be one; no tenant has such a name
MAX_URL_BYTES = 2000  # what an index of PostgreSQL holds is a little more


class Webhooks:
    """Writes deliveries; the dispatcher sends them."""

    def __init__(self, database: Database, secrets: SecretBox, public_url: str) -> None:
        self._database = database
        self._secrets = secrets
        self._public_url = public_url

    async def ended(self, event: JobResult) -> str:
        """Schedule the webhook of an ended job, once per event and endpoint."""
        url = event.request.webhook_url
        if url is None:
            return "no_webhook"
        tenant, job_id = addressee(event)
        check_webhook(event.request)
        new = NewDelivery(
            event_id=event.event_id,
            job_id=job_id,
            type=TYPES[event.outcome],
            # in a thread: a transcript may be large
            payload=await asyncio.to_thread(payload_of, event, self._public_url),
            asked=request_digest(stored_request(event.request)),
        )
        return await self._database.run(lambda connection: self._schedule(connection, tenant, url, new))

    async def enhanced(self, event: EnhancementResult) -> str:
        """Schedule the webhook of an ended enhancement, to the address of its job's webhook."""
        check_tenant(event.tenant)
        async with self._database.connection() as connection:
            url = await webhook_of(connection, event.job_id, event.tenant)
        if url is None:
            return "no_webhook"
        new = NewDelivery(
            event_id=event.event_id,
            job_id=event.job_id,
            type=enhancement_payload.type_of(event),
            payload=enhancement_payload.payload_of(event, self._public_url),
            asked=None,
        )
        return await self._database.run(lambda connection: self._schedule(connection, event.tenant, url, new))

    async def _schedule(self, connection: Connection, tenant: str, url: str, new: NewDelivery) -> Scheduling:
        secret = self._secrets.new_secret(endpoint_id(tenant, url))
        endpoint = await register_endpoint(connection, tenant, url, secret)
        scheduling = await add(connection, endpoint, new)
        failpoint("webhooks.before_commit")
        return scheduling


def addressee(event: JobResult) -> tuple[str, UUID | None]:
    """The tenant of the endpoint, and the job whose row must exist first; raises Permanent or Poison for foreign ones.

    A job with an invalid tenant has failed for that and will never have a row: its webhook is sent at once.
    """
    if event.outcome is Outcome.FAILED and not TENANT.fullmatch(event.tenant):
        return NOBODY, None
    check_result(event)
    return event.tenant, event.job_id


def check_webhook(request: JobRequested) -> None:
    """Raise Permanent unless the address is valid for an endpoint; every call checks whether it may be called."""
    found = [message for field, message in mistakes(request) if field == "webhook_url"]
    if len((request.webhook_url or "").encode()) > MAX_URL_BYTES:
        found.append(f"must have at most {MAX_URL_BYTES} bytes")
    if found:
        raise Permanent("invalid_request", f"webhook_url: {'; '.join(found)}")


def register(
    app: ScribeApp, loop: EventLoop, webhooks: Webhooks, *, results: str = RESULTS, enhanced: str = ENHANCEMENTS
) -> None:
    """Register the app's agents."""

    @app.agent(app.topic(results, schema=RawSchema()), name="results", concurrency=CONCURRENCY)
    async def on_results(stream: Any) -> None:
        await loop.run(stream, JobResult, webhooks.ended, answer=webhooks.ended)

    @app.agent(app.topic(enhanced, schema=RawSchema()), name="enhancements", concurrency=CONCURRENCY)
    async def on_enhancements(stream: Any) -> None:
        await loop.run(stream, EnhancementResult, webhooks.enhanced, answer=webhooks.enhanced)
