"""The types of the events that webhooks tell of."""

from typing import Literal, get_args

JobType = Literal["job.completed", "job.failed", "job.cancelled"]
EnhancementType = Literal["enhancement.completed", "enhancement.failed"]
EventType = Literal[JobType, EnhancementType]
"""What an endpoint may choose from."""
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
