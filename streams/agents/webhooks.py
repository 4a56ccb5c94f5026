"""scribe.webhooks: the end of a job becomes a delivery to the address that its request named."""

from typing import Any
from urllib.parse import urlsplit

from schemas.errors import Permanent
from schemas.events import JobResult
from schemas.topics import RESULTS
from sink.deliveries import NewDelivery, add, endpoint_id, register_endpoint
from sink.postgres import Connection, Database
from sink.webhook_secrets import SecretBox
from streams.app import RawSchema
from streams.payload import TYPES, payload_of
from streams.recipe import Recipe
from streams.safe_transport import ScribeApp
from streams.transcripts import check_result

CONCURRENCY = 4
MAX_URL = 2000  # characters; what an index of PostgreSQL holds is a little more


class Webhooks:
    """Writes deliveries; sending them is the dispatcher's part."""

    def __init__(self, database: Database, secrets: SecretBox, public_url: str) -> None:
        self._database = database
        self._secrets = secrets
        self._public_url = public_url

    async def ended(self, event: JobResult) -> str:
        """A job has ended: its webhook is scheduled, once an event and endpoint."""
        url = event.request.webhook_url
        if url is None:
            return "no_webhook"
        check_result(event)
        check_url(url)
        added = await self._database.run(lambda connection: self._schedule(connection, event, url))
        return "scheduled" if added else "duplicate"

    async def _schedule(self, connection: Connection, event: JobResult, url: str) -> bool:
        secret = self._secrets.new_secret(endpoint_id(event.tenant, url))
        endpoint = await register_endpoint(connection, event.tenant, url, secret)
        new = NewDelivery(
            event_id=event.event_id,
            job_id=event.job_id,
            type=TYPES[event.outcome],
            payload=payload_of(event, self._public_url),
        )
        return await add(connection, endpoint, new)


def check_url(url: str) -> None:
    """Raise Permanent unless the address can be an endpoint's; whether it may be called is judged at every call."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid or len(url) > MAX_URL or not url.isprintable():
        raise Permanent("invalid_request", f"webhook_url is no http(s) address of at most {MAX_URL} characters")


def register(app: ScribeApp, recipe: Recipe, webhooks: Webhooks, *, results: str = RESULTS) -> None:
    """Add the app's agent."""

    @app.agent(app.topic(results, schema=RawSchema()), name="results", concurrency=CONCURRENCY)
    async def on_results(stream: Any) -> None:
        await recipe.run(stream, JobResult, webhooks.ended)
