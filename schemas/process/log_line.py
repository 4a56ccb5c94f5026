"""A line of the log: the one schema of all processes, for those who write it and for those who read it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class LogLine(BaseModel):
    """A JSON object on one line of stdout; what SCRIBE_LOG_FIELDS renames keeps its meaning."""

    model_config = ConfigDict(extra="forbid", title="A line of the log of Scribe Rabbit")

    timestamp: datetime = Field(description="When it was written, UTC.")
    level: Literal["debug", "info", "warning", "error", "critical"] = Field(description="How grave it is.")
    event: str = Field(description="What happened, in words.")
    logger: str = Field(description="The module that says it.")
    process: str = Field(description="What kind of process it comes from; the same as in scribe_rabbit_process_info.")
    exception: str | None = Field(default=None, description="The traceback, with its line breaks.")
    job_id: UUID | None = Field(default=None, description="The job that it belongs to.")
    tenant: str | None = Field(default=None, description="Whose job it is.")
    attempt: int | None = Field(default=None, ge=1, description="Which attempt at the job, the record or the call.")
    trace_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = Field(
        default=None, description="Shared by all lines, spans and records of a job."
    )
    request_id: str | None = Field(default=None, description="Of a REST request: X-Request-ID of its answer.")
    topic: str | None = Field(default=None, description="The record that is worked on: its topic,")
    partition: int | None = Field(default=None, description="its partition,")
    offset: int | None = Field(default=None, description="and its offset.")


WORDS = ("timestamp", "level", "event", "logger", "process", "exception")
"""What every line may have; everything else is bound where it is known."""
BOUND = tuple(name for name in LogLine.model_fields if name not in WORDS)
"""What `schemas.process.logs.bound` may carry."""
