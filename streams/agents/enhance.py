"""Agent of scribe.enhance: the end of a job that requests enhancement becomes a call of the enhanced-AI service."""

from typing import Any

from schemas.events import JobResult
from schemas.tenants.enhancement_consent import check_wishes
from schemas.topics import RESULTS
from sink.enhancements.requests import ask
from sink.postgres.database import Database
from streams.agents.transcript_store import check_result
from streams.kafka.transport import ScribeApp
from streams.runtime.app import RawSchema
from streams.runtime.event_loop import EventLoop

CONCURRENCY = 32


class Enhance:
    """Writes calls; the dispatcher makes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(self, event: JobResult) -> str:
        """Schedule the enhancement of an ended job once; it fails later when there is nothing to enhance."""
        wishes = event.request.enhancement
        if wishes is None:
            return "no_enhancement"
        check_result(event)
        check_wishes(summarization=wishes.summarization, entity_extraction=wishes.entity_extraction)
        added = await self._database.run(
            lambda connection: ask(connection, event.tenant, event.job_id, event.run, wishes)
        )
        return "scheduled" if added else "duplicate"


def register(app: ScribeApp, loop: EventLoop, enhance: Enhance, *, results: str = RESULTS) -> None:
    """Add the app's agent."""

    @app.agent(app.topic(results, schema=RawSchema()), name="results", concurrency=CONCURRENCY)
    async def on_results(stream: Any) -> None:
        await loop.run(stream, JobResult, enhance.ended, answer=enhance.ended)
