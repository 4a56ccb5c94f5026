"""Topics and their settings: the source of the table in schemas/README.md and of the tool that creates them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.retries.schedules import LADDER

DAY_MS = 86_400_000
SEGMENT_DAYS = 1  # a record goes with its segment, when the youngest record in that is old enough
GPU_PARTITIONS = 12  # the unit of GPU parallelism
PARTITIONS = 6

JOBS = "scribe.jobs"
JOBS_EXPRESS = "scribe.jobs.express"
TRANSCRIPTS = "scribe.transcripts"
RESULTS = "scribe.results"
PROGRESS = "scribe.progress"
CONTROL = "scribe.control"
TENANTS = "scribe.tenants"
ENHANCEMENTS = "scribe.enhancements"

TRANSCRIBERS = "scribe.transcribers"
DIARIZERS = "scribe.diarizers"
PERSIST = "scribe.persist"
ENHANCE = "scribe.enhance"
WEBHOOKS = "scribe.webhooks"
GROUPS = (TRANSCRIBERS, DIARIZERS, PERSIST, ENHANCE, WEBHOOKS)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; `event` is the name of its schema, or None where original bytes are kept."""

    name: str
    event: str | None
    written_by: str
    read_by: str
    partitions: int
    cleanup: str
    retention_days: int | None
    transactional: bool = False

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings of this topic."""
        config = {"cleanup.policy": self.cleanup, "compression.type": "producer"}
        if self.retention_days is not None:
            config["retention.ms"] = str(self.retention_days * DAY_MS)
            config["segment.ms"] = str(SEGMENT_DAYS * DAY_MS)
        return config


def retry_topic(group: str, step: str) -> str:
    """The retry topic of a group for one delay, such as `1m`."""
    return f"{group}.retry.{step}"


def dlq_topic(group: str) -> str:
    """The dead-letter topic of a group."""
    return f"{group}.dlq"


READS: dict[str, tuple[str, ...]] = {
    TRANSCRIBERS: (JOBS, JOBS_EXPRESS),
    DIARIZERS: (TRANSCRIPTS,),
    PERSIST: (JOBS, JOBS_EXPRESS, PROGRESS, RESULTS, ENHANCEMENTS, TENANTS),
    ENHANCE: (RESULTS,),
    WEBHOOKS: (RESULTS, ENHANCEMENTS),
}
"""What each group reads beside its own retries."""
_RETRY = re.compile(rf".+\.retry\.({'|'.join(LADDER.read)})")


def is_retry_topic(name: str) -> bool:
    """Whether a topic is a retry step of any group."""
    return _RETRY.fullmatch(name) is not None


_ELSEWHERE = re.compile(rf"{re.escape(RESULTS)}\.[A-Za-z0-9_-]{{1,100}}")


def may_take_results(name: str) -> bool:
    """Whether a replay may write results to a topic beside RESULTS: only names that begin with it are allowed."""
    return _ELSEWHERE.fullmatch(name) is not None


def _ladder(group: str) -> Iterable[Topic]:
    for step in LADDER.read:
        writer = group if step in LADDER.steps else "nobody any more"
        yield Topic(retry_topic(group, step), None, writer, group, GPU_PARTITIONS, "delete", 7, transactional=True)


# fmt: off
TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(JOBS, "JobRequested", "upstream, relay, CLI", "transcribers, persist", GPU_PARTITIONS, "delete", 14),
        Topic(JOBS_EXPRESS, "JobRequested", "upstream, relay, CLI", "transcribers, persist", GPU_PARTITIONS, "delete", 14),
        Topic(TRANSCRIPTS, "TranscriptReady", "transcribers", "diarizers, anyone", GPU_PARTITIONS, "delete", 7, transactional=True),
        Topic(RESULTS, "JobResult", "transcribers, diarizers", "persist, enhance, webhooks, downstream", PARTITIONS, "delete", 30, transactional=True),
        Topic(PROGRESS, "JobProgress", "GPU consumers", "persist", PARTITIONS, "delete", 1),
        Topic(CONTROL, "JobControl", "relay, CLI", "every GPU process", PARTITIONS, "compact,delete", 14),
        Topic(TENANTS, "TenantPolicy", "CLI", "every process that needs it", PARTITIONS, "compact", None),
        Topic(ENHANCEMENTS, "EnhancementResult", "relay", "persist, webhooks, downstream", PARTITIONS, "delete", 30),
        *_ladder(TRANSCRIBERS),
        *_ladder(DIARIZERS),
        *(Topic(dlq_topic(group), None, group, "scribe dlq", PARTITIONS, "delete", 30) for group in GROUPS),
    )
}
# fmt: on
