"""The rights that each process needs at the broker, least privilege: the source of `scribe topics acls` and its table.

Everything not named here is denied. Kafka implies the right to describe in those to read, write, alter and delete, and
since 3.0 that to produce idempotently in the right to write any topic; so neither is granted by itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.retries.schedules import LADDER
from schemas.topics import (
    CONTROL,
    DIARIZERS,
    ENHANCE,
    ENHANCEMENTS,
    JOBS,
    JOBS_EXPRESS,
    PERSIST,
    PROGRESS,
    READS,
    RESULTS,
    TENANTS,
    TRANSCRIBERS,
    TRANSCRIPTS,
    WEBHOOKS,
    dlq_topic,
    retry_topic,
)

READERS = "scribe.readers"
"""The group that consumers without a group of their own name to librdkafka; no member ever joins it."""


class Resource(StrEnum):
    """Kinds of things that a right is about."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


class Operation(StrEnum):
    """Operations that a right allows, in Kafka's names."""

    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    ALTER = "ALTER"
    DESCRIBE = "DESCRIBE"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
    ALTER_CONFIGS = "ALTER_CONFIGS"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One operation on one resource, or on all whose names begin so."""

    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}{'*' if self.prefixed else ''}"


def transactional_prefix(group: str) -> str:
    """The beginning of the transactional ids of a GPU group; the worker's name follows."""
    return f"scribe-gpu.{group}."


_WRITES: Mapping[str, tuple[str, ...]] = {
    TRANSCRIBERS: (TRANSCRIPTS, RESULTS),
    DIARIZERS: (RESULTS,),
    PERSIST: (),
    ENHANCE: (),
    WEBHOOKS: (),
}
"""What each group writes beside its retries and dead letters."""


def _topics(operation: Operation, names: Iterable[str]) -> Iterator[Right]:
    return (Right(Resource.TOPIC, name, operation) for name in names)


def _group(group: str) -> Iterator[Right]:
    """A member of a group, which reads its topics and writes what follows from them."""
    yield Right(Resource.GROUP, group, Operation.READ)
    yield from _topics(Operation.READ, READS[group])
    yield from _topics(Operation.WRITE, (*_WRITES[group], dlq_topic(group)))


def _gpu(group: str) -> Iterator[Right]:
    """A GPU process of one group, with retries, transactions, orders and progress."""
    yield from _group(group)
    yield from _topics(Operation.READ, (*(retry_topic(group, step) for step in LADDER.read), CONTROL, TENANTS))
    yield from _topics(Operation.WRITE, (*(retry_topic(group, step) for step in LADDER.steps), PROGRESS))
    # results of replays that were asked for elsewhere
    yield Right(Resource.TOPIC, f"{RESULTS}.", Operation.WRITE, prefixed=True)
    yield Right(Resource.GROUP, READERS, Operation.DESCRIBE)
    yield Right(Resource.TRANSACTIONAL_ID, transactional_prefix(group), Operation.WRITE, prefixed=True)


def _operator() -> Iterator[Right]:
    """The commands of operators: topics, policies, dead letters, replays, skips, why."""
    topic_operations = (
        *(Operation.READ, Operation.WRITE, Operation.CREATE, Operation.ALTER),
        *(Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS),
    )
    for operation in topic_operations:
        yield Right(Resource.TOPIC, "scribe.", operation, prefixed=True)
    yield Right(Resource.GROUP, "scribe.", Operation.READ, prefixed=True)


RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "relay": tuple(_topics(Operation.WRITE, (JOBS, JOBS_EXPRESS, CONTROL, RESULTS, ENHANCEMENTS))),
    "gpu-transcribe": tuple(_gpu(TRANSCRIBERS)),
    "gpu-diarize": tuple(_gpu(DIARIZERS)),
    "persist": tuple(_group(PERSIST)),
    "enhance": tuple(_group(ENHANCE)),
    "webhooks": tuple(_group(WEBHOOKS)),
    "operator": tuple(_operator()),
    "upstream": tuple(_topics(Operation.WRITE, (JOBS, JOBS_EXPRESS))),
}
"""By process; those that are not here (api, dispatch, retain) never talk to the broker, but for a shim that shows dead letters.

`upstream` are the systems that submit jobs without REST; the `operator` runs `scribe` commands.
"""

USERS: Mapping[str, str] = {process: process for process in RIGHTS} | {"gpu-transcribe": "gpu", "gpu-diarize": "gpu"}
"""The user that each process is, unless it is said otherwise: both stages of a GPU process are one."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A right of a user."""

    user: str
    right: Right


def grants(users: Mapping[str, str] = USERS, processes: Iterable[str] = tuple(RIGHTS)) -> tuple[Grant, ...]:
    """The rights of each user, each once, in the order of the table."""
    return tuple(dict.fromkeys(Grant(users[process], right) for process in processes for right in RIGHTS[process]))
