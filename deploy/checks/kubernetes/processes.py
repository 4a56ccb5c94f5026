"""The processes of the service as Kubernetes runs them: command, settings, what they reach, how long their end takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_settings import BaseSettings

from deploy.process_settings import PROCESSES as SETTINGS
from gpu_consumers import service as gpu
from producers import relay
from producers.api import __main__ as api
from schemas.settings.gpu import GpuSettings, KubernetesSettings, ModelSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.outbound import OutboundSettings
from schemas.settings.processes import KafkaAndObjects
from schemas.settings.stores import PostgresSettings
from streams import __main__ as streams
from streams.runtime import worker

WEBHOOK_SECONDS = OutboundSettings.model_fields["webhook_timeout_seconds"].default
CHECKPOINT_SECONDS = GpuSettings.model_fields["checkpoint_seconds"].default
FORGETTING_SECONDS = 5.0
"""That load balancers take to forget a pod that ends."""


@dataclass(frozen=True, slots=True)
class DeployedProcess:
    """A process: `image` is that of deploy/docker, `reaches` its labels `egress.scribe-rabbit/…`."""

    command: tuple[str, ...]
    image: str
    settings: type[BaseSettings]
    reaches: frozenset[str]
    stop_seconds: float = 0.0
    """What it may take to end by itself; for the GPU consumers beside SCRIBE_DRAIN_SECONDS."""


def _process(
    command: str, image: str, settings: type[BaseSettings], reaches: str, seconds: float = 0.0
) -> DeployedProcess:
    """A process; what follows from its settings is reached too."""
    found = set(reaches.split())
    if image != "api" or seconds:  # the commands of operators need no registry
        found |= {"schema-registry"} if issubclass(settings, KafkaSettings) else set()
    found |= {"kubernetes"} if issubclass(settings, KubernetesSettings) else set()
    return DeployedProcess(tuple(command.split()), image, settings, frozenset(found), seconds)


PROCESSES: Mapping[str, DeployedProcess] = {
    "api": _process(
        "scribe-api", "api", SETTINGS["api"], "postgres object-store", api.STOP_SECONDS + FORGETTING_SECONDS
    ),
    "relay": _process("scribe-relay", "api", SETTINGS["relay"], "kafka postgres", relay.STOP_SECONDS),
    "gpu": _process("scribe-gpu", "gpu", SETTINGS["gpu"], "kafka object-store internet", gpu.STOP_SECONDS),
    "persist": _process(
        "scribe-streams persist", "streams", SETTINGS["persist"], "kafka postgres object-store", worker.STOP_SECONDS
    ),
    "enhance": _process(
        "scribe-streams enhance", "streams", SETTINGS["enhance"], "kafka postgres", worker.STOP_SECONDS
    ),
    "webhooks": _process(
        "scribe-streams webhooks", "streams", SETTINGS["webhooks"], "kafka postgres", worker.STOP_SECONDS
    ),
    "dispatcher": _process(
        "scribe-streams dispatch",
        "streams",
        SETTINGS["dispatch"],
        "postgres internet",
        WEBHOOK_SECONDS + streams.STOP_SECONDS,
    ),
    "retention": _process(
        "scribe-streams retention",
        "streams",
        SETTINGS["retention"],
        "postgres object-store",
        streams.RETENTION_STOP_SECONDS,
    ),
}
"""The processes that last, by their label `app.kubernetes.io/component`."""

JOBS: Mapping[str, DeployedProcess] = {
    "topics": _process("scribe topics apply", "api", KafkaAndObjects, "kafka"),
    "migrations": _process("scribe database migrate", "api", PostgresSettings, "postgres"),
}
"""What is done once before them."""

ALL = {**PROCESSES, **JOBS}
MODELS = _process("scribe-gpu models fetch", "gpu", ModelSettings, "internet")
"""What runs in a pod of the GPU consumers before them."""
