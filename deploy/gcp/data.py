"""Generates what the Terraform modules read of the code: settings of each process, topics and Kafka grants, as JSON.

python -m deploy.gcp.data            write the files
python -m deploy.gcp.data --check    say which are not as the code has them
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from deploy.process_settings import OF_PLATFORMS, secrets
from deploy.process_settings import PROCESSES as SETTINGS
from schemas.settings.api import ClientSettings
from schemas.settings.base import variable_of
from schemas.settings.processes import KafkaAndObjects
from schemas.settings.stores import PostgresSettings
from schemas.topics import ENHANCEMENTS, RESULTS, TOPICS
from sink.records.kafka.rights import RIGHTS, USERS, Operation, Resource, Right

MODULES = Path(__file__).parent / "modules"


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """A kind of process: its image, its command line and the settings that it reads."""

    image: str
    command: tuple[str, ...]
    settings: type[BaseSettings]


PROCESSES: Mapping[str, ProcessKind] = {
    "api": ProcessKind("api", ("scribe-api",), SETTINGS["api"]),
    "relay": ProcessKind("api", ("scribe-relay",), SETTINGS["relay"]),
    "persist": ProcessKind("streams", ("scribe-streams", "persist"), SETTINGS["persist"]),
    "enhance": ProcessKind("streams", ("scribe-streams", "enhance"), SETTINGS["enhance"]),
    "webhooks": ProcessKind("streams", ("scribe-streams", "webhooks"), SETTINGS["webhooks"]),
    "dispatcher": ProcessKind("streams", ("scribe-streams", "dispatch"), SETTINGS["dispatch"]),
    "retention": ProcessKind("streams", ("scribe-streams", "retention"), SETTINGS["retention"]),
    "gpu": ProcessKind("gpu", ("scribe-gpu",), SETTINGS["gpu"]),
    "migrations": ProcessKind("api", ("scribe", "database", "migrate"), PostgresSettings),
    "topics": ProcessKind("api", ("scribe", "topics", "check"), KafkaAndObjects),
    "operator": ProcessKind("api", ("scribe",), SETTINGS["operator"]),
}
"""Every process that is deployed, the two that run once at an upgrade, and the commands of operators.

Named as the accounts of the Kubernetes overlay, which these become.
"""
OF_PEOPLE: tuple[type[BaseSettings], ...] = (ClientSettings,)
"""Read by the `scribe` command on the machine of a person, by nothing that is deployed."""


def processes() -> dict[str, Any]:
    """The processes with the variables that each reads, plain ones and secrets apart."""
    return {name: _process(process) for name, process in PROCESSES.items()}


def _process(process: ProcessKind) -> dict[str, Any]:
    read = {variable_of(name) for name in process.settings.model_fields} - OF_PLATFORMS
    return {
        "image": process.image,
        "command": list(process.command),
        "variables": sorted(read - secrets()),
        "secrets": sorted(read & secrets()),
    }


def kafka_topics() -> dict[str, Any]:
    """The topics with their partitions and settings."""
    return {topic.name: {"partitions": topic.partitions, "config": topic.config} for topic in TOPICS.values()}


ACCESS: Mapping[str, tuple[Right, ...]] = {
    **{
        user: tuple(r for process, each in USERS.items() if each == user for r in RIGHTS[process])
        for user in USERS.values()
    },
    # makes topics on Kubernetes, looks at them on Cloud Run
    "topics": RIGHTS["operator"],
    "downstream": tuple(Right(Resource.TOPIC, name, Operation.READ) for name in (RESULTS, ENHANCEMENTS)),
}
"""The rights of every process that talks to the broker, of people at the command line, and of the services of others."""
_PATTERNS = {
    Resource.TOPIC: "topic",
    Resource.GROUP: "consumerGroup",
    Resource.TRANSACTIONAL_ID: "transactionalId",
}


def kafka_grants() -> dict[str, list[dict[str, str]]]:
    """The rights as entries by resource, in the form of Managed Kafka's ACL ids."""
    found: dict[str, list[dict[str, str]]] = {}
    for process, rights in ACCESS.items():
        for right in dict.fromkeys(rights):
            acl = f"{_PATTERNS[right.resource]}{'Prefixed' if right.prefixed else ''}/{right.name}"
            found.setdefault(acl, []).append({"process": process, "operation": right.operation.value})
    return dict(sorted(found.items()))


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
