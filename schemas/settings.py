"""Every setting of the service: name, type, default and meaning; the only reader of the environment.

Each class is one concern; a process loads the ones it needs with `load`, which reports all mistakes at once.
"""

from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import SettingsError

S = TypeVar("S", bound=BaseSettings)
PREFIX = "SCRIBE_"


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )


class ServiceSettings(_Settings):
    """What every process reads."""

    environment: Literal["production", "development"] = "production"
    """`development` allows plain http addresses and private networks named in SCRIBE_ALLOWED_NETWORKS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or coloured lines for people."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of /metrics, /livez and /readyz of a process without REST; unset: none, 0: any free one."""
    metrics_host: str = "127.0.0.1"
    """Address that port listens on."""


class KafkaSettings(_Settings):
    """The broker and the schema ids."""

    kafka_bootstrap: str = "127.0.0.1:9092"
    """host:port of one or more brokers, separated by commas."""
    kafka_options: dict[str, str] = Field(default_factory=dict)
    """More librdkafka settings as a JSON object, such as those of SASL and TLS."""
    kafka_partition_epochs: bool = True
    """Whether the broker checks on a commit that each partition is still owned: Kafka 4.3 and newer; false before."""
    schema_registry_url: str | None = None
    """A Confluent-compatible schema registry; unset: the ids of the checked-in manifest."""

    @field_validator("kafka_bootstrap")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        for part in value.split(","):
            host, _, port = part.strip().rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"'{part}' is not host:port")
        return value


class PostgresSettings(_Settings):
    """The database."""

    postgres_dsn: SecretStr = SecretStr("postgresql://scribe@127.0.0.1:5432/scribe")
    """Connection string of PostgreSQL 15 or newer."""
    postgres_pool_size: int = Field(default=8, ge=1, le=200)
    """Most connections of one process."""


class ObjectStoreSettings(_Settings):
    """The S3-compatible object store."""

    s3_endpoint: str | None = None
    """Address of the store; unset: AWS. GCS: its S3 interface."""
    s3_bucket: str = "scribe"
    """Bucket of uploads, artifacts and results."""
    s3_access_key: str | None = None
    """Access key; unset: the credentials boto3 finds."""
    s3_secret_key: SecretStr | None = None
    """Secret key."""
    s3_region: str = "us-east-1"
    """Region."""
    object_retention_days: int | None = Field(default=None, ge=1)
    """Days after which the bucket's lifecycle rule deletes objects; unset: never. `scribe topics` checks that no record outlives what it names."""

    @field_validator("s3_endpoint")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("is not an http(s) address")
        return value


class OutboundSettings(_Settings):
    """Calls to addresses that strangers name: recordings and webhooks."""

    allowed_networks: tuple[str, ...] = ()
    """Networks in CIDR form that may be called although they are private, as a JSON list; only in development or for known receivers."""
    fetch_max_bytes: int = Field(default=2_000_000_000, ge=1)
    """Largest recording in bytes."""
    fetch_deadline_seconds: float = Field(default=600, gt=0)
    """Longest time one fetch may take in all."""
    webhook_timeout_seconds: float = Field(default=20, gt=0)
    """Longest time one webhook call may take in all."""
    webhook_key: SecretStr | None = None
    """32 random bytes in base64 that encrypt the endpoints' secrets at rest: `python -m sink.webhook_secrets` makes one."""
    time_scale: float = Field(default=1.0, gt=0, le=1.0)
    """Factor on every retry delay of webhooks and jobs; below 1 only in tests and demos."""

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)  # its ValueError says what is wrong
        return value


class ApiSettings(_Settings):
    """The REST shim."""

    api_host: str = "127.0.0.1"
    """Address it listens on."""
    api_port: int = Field(default=8000, ge=0, le=65535)
    """Port it listens on."""
    upload_max_bytes: int = Field(default=2_000_000_000, ge=1)
    """Largest upload in bytes."""
    unknown_tenant: Literal["allow", "deny"] = "allow"
    """What happens to jobs of tenants without a policy."""
    public_url: str = "http://127.0.0.1:8000"
    """Address under which clients reach the shim; links in webhooks start with it."""


class ClientSettings(_Settings):
    """The `scribe` command as a client of the REST shim."""

    api_url: str = "http://127.0.0.1:8000"
    """Address of the REST shim."""
    api_key: SecretStr | None = None
    """Key for it: `scribe keys create` makes one."""

    @field_validator("api_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc:
            raise ValueError("is not an http(s) address")
        return value.rstrip("/")


class ModelSettings(_Settings):
    """The models that jobs may name."""

    models_file: Path | None = None
    """Model registry file; unset: the one that ships with the service."""
    default_model: str | None = None
    """Registry entry for jobs that name none; unset: the file's default."""
    diarizer: str | None = None
    """Registry entry of the diarizer; unset: the file's default."""
    models_cache: Path | None = None
    """Folder where hub models are kept; unset: the hub client's own."""


class GpuSettings(_Settings):
    """The GPU consumers."""

    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where the engines run; `auto` takes the GPU when there is one."""
    worker_id: str | None = None
    """Stable name of this process, such as a pod's; unset: host name and a random part. One process at a time may use it."""
    transcribe_workers: int = Field(default=2, ge=1, le=64)
    """Jobs that are prepared and transcribed at the same time."""
    diarize_workers: int = Field(default=1, ge=1, le=16)
    """Jobs that are diarized at the same time."""
    audio_max_seconds: float = Field(default=36_000, gt=0)
    """Longest recording in seconds."""
    audio_cache_bytes: int = Field(default=4_000_000_000, ge=0)
    """Size of the local cache of recordings."""
    audio_cache_dir: Path | None = None
    """Folder of that cache; unset: a temporary one."""
    inline_max_bytes: int = Field(default=512_000, ge=0)
    """Larger transcripts go to the object store."""
    drain_seconds: float = Field(default=30, ge=0)
    """Time to finish running jobs after SIGTERM."""


class EnhancedAiSettings(_Settings):
    """The enhanced-AI service."""

    endpoint: str | None = Field(default=None, validation_alias=AliasChoices("ENHANCED_AI_ENDPOINT", "endpoint"))
    """Address of the service."""
    api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("ENHANCED_AI_API_KEY", "api_key"))
    """Its key."""


SETTINGS: tuple[type[_Settings], ...] = (
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    OutboundSettings,
    ApiSettings,
    ClientSettings,
    ModelSettings,
    GpuSettings,
    EnhancedAiSettings,
)


class RelayProcess(ServiceSettings, KafkaSettings, PostgresSettings):
    """All that `scribe-relay` reads."""


class KafkaAndObjects(KafkaSettings, ObjectStoreSettings):
    """All that `scribe submit --via kafka` and `scribe topics` read."""


class ApiProcess(
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    OutboundSettings,
    ApiSettings,
    ModelSettings,
):
    """All that `scribe-api` reads."""


class GpuProcess(
    ServiceSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OutboundSettings,
    ModelSettings,
    GpuSettings,
):
    """All that `scribe-gpu` reads."""


def variable_of(cls: type[BaseSettings], field: str) -> str:
    """The environment variable of a setting."""
    alias = cls.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{PREFIX}{field.upper()}"


def load(cls: type[S], **given: Any) -> S:
    """The settings `cls` from the environment; `given` values win. Raises SettingsError with every mistake."""
    return load_all(cls, **given)[0]  # type: ignore[return-value]


def load_all(*classes: type[BaseSettings], **given: Any) -> tuple[BaseSettings, ...]:
    """Several settings at once, so that the mistakes of all of them are reported together."""
    loaded: list[BaseSettings] = []
    mistakes: list[str] = []
    for cls in classes:
        try:
            loaded.append(cls(**{name: value for name, value in given.items() if name in cls.model_fields}))
        except ValidationError as error:
            mistakes += [_mistake(cls, item) for item in error.errors()]
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(loaded)


def _mistake(cls: type[BaseSettings], item: Any) -> str:
    location = [str(part) for part in item["loc"]]
    name = location[0].lower().removeprefix(PREFIX.lower()) if location else ""
    variable = variable_of(cls, name) if name in cls.model_fields else (location[0] if location else cls.__name__)
    return f"{variable}: {item['msg'].removeprefix('Value error, ')}"
