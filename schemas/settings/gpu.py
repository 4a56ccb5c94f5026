"""Settings of the GPU consumers, their models, and the platforms that they run on."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from schemas.settings.base import Settings
from schemas.settings.values import http_address


class ModelSettings(Settings):
    """The models that jobs may name."""

    models_file: Path | None = None
    """Model registry file; unset: the one that ships with the service."""
    default_model: str | None = None
    """Registry entry for jobs that name none; unset: the file's default."""
    diarizer: str | None = None
    """Registry entry of the diarizer; unset: the file's default."""
    models_cache: Path | None = None
    """Folder of fetched models; unset: the hub client's own, for those from wheels `.cache/scribe-rabbit/models` below the home."""


class GpuSettings(Settings):
    """The GPU consumers."""

    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where the engines run; `auto` takes the GPU when there is one."""
    transcribe_workers: int = Field(default=2, ge=1, le=64)
    """Jobs that are prepared and transcribed at the same time."""
    diarize_workers: int = Field(default=1, ge=1, le=16)
    """Jobs that are diarized at the same time."""
    audio_max_seconds: float = Field(default=36_000, gt=0)
    """Longest recording in seconds."""
    audio_cache_bytes: int = Field(default=4_000_000_000, ge=0)
    """Size of the local cache of recordings."""
    audio_cache_seconds: float = Field(default=3600, gt=0)
    """A decoded recording in that cache that nobody used for so long is deleted."""
    audio_cache_dir: Path | None = None
    """Folder of that cache; unset: a temporary one."""
    inline_max_bytes: int = Field(default=512_000, ge=0)
    """Larger transcripts go to the object store."""
    checkpoint_seconds: float = Field(default=60, ge=0)
    """Seconds of audio after which a long recording leaves a checkpoint; 0: never."""
    drain_seconds: float = Field(default=10, ge=0)
    """Time to finish running jobs after SIGTERM; some seconds less than the platform waits before it kills."""


class EcsSettings(Settings):
    """The ECS task of a GPU consumer."""

    ecs_task_protection: bool = False
    """Whether the process asks ECS to end other tasks first while it has jobs in work."""
    ecs_agent_uri: str | None = Field(default=None, validation_alias="ECS_AGENT_URI")
    """Address of the agent that ECS sets for each task; not for you to set."""

    _agent = field_validator("ecs_agent_uri")(http_address)


class KubernetesSettings(Settings):
    """The pod of a GPU consumer."""

    pod_name: str | None = Field(default=None, pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    """Name of the pod that the process runs in; set: the process keeps the pod's deletion cost, so that a scale-in ends pods without work first."""
    kubernetes_url: str = "https://kubernetes.default.svc"
    """Address of the Kubernetes API server."""
    kubernetes_account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    """Folder with the token, namespace and authority of the pod's service account."""

    @field_validator("kubernetes_url")
    @classmethod
    def _https(cls, value: str) -> str:
        if urlsplit(http_address(value)).scheme != "https":
            raise ValueError("is not an https address: a token goes there")
        return value
