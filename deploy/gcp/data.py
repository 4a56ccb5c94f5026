"""Generates what the Terraform modules read of the code: settings of each process, topics and Kafka grants, as JSON.

python -m deploy.gcp.data            write the files
python -m deploy.gcp.data --check    say which are not as the code has them
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from schemas import topics
from schemas.retries.schedules import LADDER
from schemas.settings import (
    ApiProcess,
    ClientSettings,
    DispatchProcess,
    EnhanceProcess,
    GpuProcess,
    KafkaAndObjects,
    OutboundSettings,
    PersistProcess,
    PostgresSettings,
    RelayProcess,
    ReplayProcess,
    RetentionProcess,
    ServiceSettings,
    StallSettings,
    WebhooksProcess,
    variable_of,
)
from schemas.topics import READS, TOPICS, dlq_topic, retry_topic

MODULES = Path(__file__).parent / "modules"
# a password may stand in them, though their type does not say so
_ALSO_SECRET = frozenset({"kafka_options"})


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """A kind of process: its image, its command line and the settings that it reads."""

    image: str
    command: tuple[str, ...]
    settings: tuple[type[BaseSettings], ...]


PROCESSES: Mapping[str, ProcessKind] = {
    "api": ProcessKind("api", ("scribe-api",), (ApiProcess,)),
    "relay": ProcessKind("api", ("scribe-relay",), (RelayProcess,)),
    "persist": ProcessKind("streams", ("scribe-streams", "persist"), (PersistProcess,)),
    "enhance": ProcessKind("streams", ("scribe-streams", "enhance"), (EnhanceProcess,)),
    "webhooks": ProcessKind("streams", ("scribe-streams", "webhooks"), (WebhooksProcess,)),
    "dispatcher": ProcessKind("streams", ("scribe-streams", "dispatch"), (DispatchProcess,)),
    "retention": ProcessKind("streams", ("scribe-streams", "retention"), (RetentionProcess,)),
    "gpu": ProcessKind("gpu", ("scribe-gpu",), (GpuProcess,)),
    "migrations": ProcessKind("api", ("scribe", "database", "migrate"), (PostgresSettings,)),
    "topics": ProcessKind("api", ("scribe", "topics", "check"), (KafkaAndObjects,)),
    "operator": ProcessKind("api", ("scribe",), (ServiceSettings, ReplayProcess, OutboundSettings, StallSettings)),
}
"""Every process that is deployed, the two that run once at an upgrade, and the commands of operators."""
OF_PEOPLE: tuple[type[BaseSettings], ...] = (ClientSettings,)
"""Read by the `scribe` command on the machine of a person, by nothing that is deployed."""


def processes() -> dict[str, Any]:
    """The processes with the variables that each reads, plain ones and secrets apart."""
    return {name: _process(process) for name, process in PROCESSES.items()}


def _process(process: ProcessKind) -> dict[str, Any]:
    fields = {name: field for cls in process.settings for name, field in cls.model_fields.items()}
    secret = {variable_of(name) for name, field in fields.items() if _is_secret(name, field.annotation)}
    return {
        "image": process.image,
        "command": list(process.command),
        "variables": sorted({variable_of(name) for name in fields} - secret),
        "secrets": sorted(secret),
    }


def _is_secret(name: str, annotation: Any) -> bool:
    return name in _ALSO_SECRET or annotation is SecretStr or SecretStr in get_args(annotation)


def kafka_topics() -> dict[str, Any]:
    """The topics with their partitions and settings."""
    return {topic.name: {"partitions": topic.partitions, "config": topic.config} for topic in TOPICS.values()}


@dataclass(frozen=True, slots=True)
class Access:
    """Doings of a process in Kafka: topics that it reads and writes, groups and prefixes of transactional ids of its own.

    `administers`: it reads and writes every topic of the service, and their settings.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    administers: bool = False


def _app(group: str) -> Access:
    """A Faust app reads its topics in its group, and writes dead letters."""
    return Access(READS[group], (dlq_topic(group),), (group,))


def _gpu() -> Access:
    """The two groups of the GPU processes: retries and dead letters of their own, results in transactions."""
    own = [retry_topic(group, step) for group in _GPU_GROUPS for step in LADDER.read]
    reads = {*own, topics.CONTROL, topics.TENANTS, *(topic for group in _GPU_GROUPS for topic in READS[group])}
    writes = {*own, topics.TRANSCRIPTS, topics.RESULTS, topics.PROGRESS, *map(dlq_topic, _GPU_GROUPS)}
    return Access(tuple(sorted(reads)), tuple(sorted(writes)), _GPU_GROUPS, ("scribe-gpu.",))


_GPU_GROUPS = (topics.TRANSCRIBERS, topics.DIARIZERS)
ACCESS: Mapping[str, Access] = {
    "relay": Access(writes=(topics.JOBS, topics.JOBS_EXPRESS, topics.CONTROL, topics.RESULTS, topics.ENHANCEMENTS)),
    "persist": _app(topics.PERSIST),
    "enhance": _app(topics.ENHANCE),
    "webhooks": _app(topics.WEBHOOKS),
    "gpu": _gpu(),
    "topics": Access(administers=True),
    "operator": Access(groups=("scribe.",), administers=True),
    "upstream": Access(writes=(topics.JOBS, topics.JOBS_EXPRESS)),
    "downstream": Access(reads=(topics.RESULTS, topics.ENHANCEMENTS)),
}
"""Every process that talks to the broker, then people at the command line, and the services of others."""


def kafka_grants() -> dict[str, dict[str, list[dict[str, str]]]]:
    """The access of each process as ACL entries by resource, in the form of Managed Kafka's ACL ids."""
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    for process, access in ACCESS.items():
        for acl, operations in _operations(access):
            entries = [{"process": process, "operation": operation} for operation in operations]
            found.setdefault(acl, {}).setdefault("entries", []).extend(entries)
    return dict(sorted(found.items()))


def _operations(access: Access) -> list[tuple[str, tuple[str, ...]]]:
    everywhere = ("DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "READ", "WRITE")
    return [
        ("topicPrefixed/scribe.", everywhere if access.administers else ("DESCRIBE",)),
        *((f"topic/{name}", ("READ",)) for name in access.reads),
        *((f"topic/{name}", ("WRITE",)) for name in access.writes),
        # results of replays that were asked for elsewhere
        *([(f"topicPrefixed/{topics.RESULTS}.", ("WRITE",))] if access.transactions else []),
        # readers without a group of their own name one that begins with their process's
        *((f"consumerGroupPrefixed/{name}", ("READ", "DESCRIBE")) for name in access.groups),
        *((f"transactionalIdPrefixed/{prefix}", ("WRITE", "DESCRIBE")) for prefix in access.transactions),
        *([("cluster", ("IDEMPOTENT_WRITE",))] if access.writes or access.administers else []),
    ]


FILES: Mapping[Path, Any] = {
    MODULES / "settings" / "processes.json": processes,
    MODULES / "kafka" / "topics.json": kafka_topics,
    MODULES / "kafka" / "grants.json": kafka_grants,
}


def outdated() -> list[Path]:
    """The files that are not as the code has them."""
    return [path for path, content in FILES.items() if not path.exists() or path.read_text() != _text(content())]


def _text(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def main() -> int:
    """Write the files, or with --check name those that are not up to date; exit code 1 then."""
    if "--check" in sys.argv[1:]:
        for path in outdated():
            print(f"{path.name} is not as the code has it: python -m deploy.gcp.data")
        return 1 if outdated() else 0
    for path, content in FILES.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(content()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
