"""Every setting of the service: name, type, default and meaning; the only reader of the environment.

Each class is one concern; a process loads the ones it needs with `load`, which reports all mistakes at once.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

from schemas.errors import SettingsError
from schemas.tenants.permissions import UnknownTenant
from schemas.tenants.retention import days_of, mistakes
from schemas.vocabulary.nearest import nearest

S = TypeVar("S", bound=BaseSettings)
log = logging.getLogger(__name__)
PREFIX = "SCRIBE_"


def _object(value: Any) -> Any:
    """JSON text as what it holds; `NoDecode` leaves it to us, so that a mistake is reported beside all others."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f'is not a JSON object such as {{"linger.ms": "5"}}: {error.msg}') from error


def _list(value: Any) -> Any:
    """Names separated by commas, or a JSON list of them."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"is neither a list separated by commas nor a JSON list: {error.msg}") from error


def _days(value: Any) -> Any:
    """`audio=7,transcripts=forever` as numbers of days by class."""
    if not isinstance(value, str):
        return value
    pairs = (part.strip().partition("=") for part in value.split(",") if part.strip())
    try:
        return {name.strip(): days_of(days.strip()) for name, _, days in pairs}
    except ValueError as error:
        raise ValueError(f"must be classes with their days, such as audio=7,transcripts=forever: {error}") from error


def _http(value: str | None) -> str | None:
    """An address that a client can be made for; raises ValueError for any other."""
    if value is not None:
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:  # its own words quote what stands there, which may be a part of a password
            raise ValueError(
                "is not an http(s) address with a valid host and port; special characters are written as %XX"
            ) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not an http(s) address")
    return value


def _https(value: str | None) -> str | None:
    """An address to which a secret may be sent: encrypted, or on this machine."""
    parts = urlsplit(_http(value) or "")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("would be sent a secret in the clear: it must be an https address")
    return value


def _text_of(path: Path) -> str:
    """The content of a file without the line end that editors add."""
    return path.read_text().strip("\r\n")


def secret_of(value: SecretStr | None, path: Path | None) -> str | None:
    """The secret in a file, else that of a variable."""
    if path is not None:
        return _text_of(path)
    return value.get_secret_value() if value else None


def _header_value(value: SecretStr | None) -> SecretStr | None:
    """A key that becomes a header, whose errors would show it."""
    text = value.get_secret_value().strip() if value else ""
    if not text.isascii() or not text.isprintable():
        raise ValueError("has characters that no key has: copy it again")
    return SecretStr(text) if text else None


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        # a variable without a value is one that was not set
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class ServiceSettings(_Settings):
    """Settings that every process reads."""

    environment: Literal["production", "development"] = "production"
    """`development` allows plain http and any port in the addresses that strangers name."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or coloured lines for people; both on stdout."""
    log_fields: Literal["plain", "gcp", "aws", "datadog"] = "plain"
    """What JSON lines call their parts: `event`, `level` and `timestamp`, or as a cloud's logger reads them (Google Cloud Logging: `message`, `severity`, `time`)."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of /metrics, /livez and /readyz of a process without REST; unset: none, 0: any free one."""
    metrics_host: str = "127.0.0.1"
    """Address that port listens on."""
    otlp_endpoint: str | None = None
    """Address of an OpenTelemetry collector (OTLP over HTTP), such as http://collector:4318, that gets a span of each step of a job; unset: none."""
    worker_id: str | None = None
    """Stable name of a GPU consumer or Faust app, such as its pod's, that only one process at a time uses; unset: a fresh one at each start."""

    _collector = field_validator("otlp_endpoint")(_http)


KafkaSecurity = Literal["none", "tls", "scram-sha-512", "scram-sha-256", "plain", "oauthbearer", "msk-iam"]
_USER = ("kafka_user", "kafka_password")
_TLS_FILES = ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file", "kafka_key_password")
_SECRETS_IN_FILES = ("kafka_password", "kafka_key_password")
_NEEDED: dict[KafkaSecurity, tuple[str, ...]] = {
    "none": (),
    "tls": (),
    "scram-sha-512": _USER,
    "scram-sha-256": _USER,
    "plain": _USER,
    "oauthbearer": (*_USER, "kafka_oauth_url"),
    "msk-iam": ("kafka_aws_region",),
}
_ALLOWED: dict[KafkaSecurity, tuple[str, ...]] = {
    security: () if security == "none" else (*_TLS_FILES, *needed) for security, needed in _NEEDED.items()
}
_ALLOWED["oauthbearer"] += ("kafka_oauth_scope",)
_PAIRS = (
    ("kafka_key_file", "kafka_certificate_file"),
    ("kafka_certificate_file", "kafka_key_file"),
    ("kafka_key_password", "kafka_key_file"),
)
# of librdkafka's options, which the Faust apps would not see
_SECURITY_OPTIONS = re.compile(r"security\.|sasl\.|ssl\.|enable\.(ssl|sasl)|oauth")


def contradictions(security: KafkaSecurity, given: set[str], options: Mapping[str, str]) -> Iterator[str]:
    """The settings that are missing, superfluous or given twice among `given` for this security, a sentence each. Pure."""
    for name in sorted(options):
        if _SECURITY_OPTIONS.match(name):
            yield f"SCRIBE_KAFKA_OPTIONS: {name}: TLS and SASL are set by SCRIBE_KAFKA_SECURITY and its like, for all apps"
    for name in _SECRETS_IN_FILES:
        if {name, f"{name}_file"} <= given:
            yield f"{variable_of(name)}: is set, and {variable_of(name)}_FILE too: keep one of them"
    found = {name.removesuffix("_file") if name.removesuffix("_file") in _SECRETS_IN_FILES else name for name in given}
    for name in _NEEDED[security]:
        if name not in found:
            yield f"{variable_of(name)}: is not set: SCRIBE_KAFKA_SECURITY={security} needs it"
    for name in dict.fromkeys(name for allowed in _ALLOWED.values() for name in allowed):
        if name in found and name not in _ALLOWED[security]:
            users = ", ".join(each for each, allowed in _ALLOWED.items() if name in allowed)
            yield f"{variable_of(name)}: is set, but SCRIBE_KAFKA_SECURITY={security} has no use for it: {users} has"
    for name, needed in _PAIRS:
        if name in found and needed not in found:
            yield f"{variable_of(needed)}: is not set: {variable_of(name)} needs it"


class KafkaSettings(_Settings):
    """The broker and the schema ids."""

    kafka_bootstrap: str = "127.0.0.1:9092"
    """host:port of one or more brokers, separated by commas."""
    kafka_options: Annotated[dict[str, str], NoDecode, BeforeValidator(_object)] = Field(default_factory=dict)
    """More librdkafka settings as a JSON object, for tuning; those of TLS and SASL have variables of their own."""
    kafka_security: KafkaSecurity = "none"
    """How the broker is reached: `none`, without TLS and a user; `tls`; or over TLS as a user, by `scram-sha-512`, `scram-sha-256`, `plain`, `oauthbearer` (client credentials) or `msk-iam`."""
    kafka_user: str | None = None
    """The user; of `oauthbearer` the client id."""
    kafka_password: SecretStr | None = None
    """Its password; of `oauthbearer` the client secret."""
    kafka_password_file: Path | None = None
    """File that holds the password, instead of the variable; read whenever a client is made."""
    kafka_ca_file: Path | None = None
    """Certificates (PEM) of the authorities that the broker's certificate may come from; unset: the system's."""
    kafka_certificate_file: Path | None = None
    """Certificate (PEM, with its chain) that the broker is shown, for mutual TLS."""
    kafka_key_file: Path | None = None
    """Private key (PEM) of that certificate."""
    kafka_key_password: SecretStr | None = None
    """Password of the private key."""
    kafka_key_password_file: Path | None = None
    """File that holds the password of the key, instead of the variable."""
    kafka_oauth_url: str | None = None
    """Token endpoint of `oauthbearer`, an https address."""
    kafka_oauth_scope: str | None = None
    """Scope that is asked for there, if one is needed."""
    kafka_aws_region: str | None = None
    """Region of the cluster with `msk-iam`; the credentials are those that boto3 finds."""
    kafka_partition_epochs: bool = True
    """Whether the broker checks on a commit that each partition is still owned: Kafka 4.3 and newer; false before."""
    schema_registry_url: str | None = None
    """A Confluent-compatible schema registry; unset: the ids of the checked-in manifest."""

    _registry = field_validator("schema_registry_url")(_http)
    _token_endpoint = field_validator("kafka_oauth_url")(_https)

    @field_validator("kafka_bootstrap")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        for part in value.split(","):
            host, _, port = part.strip().rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"'{part}' is not host:port")
        return value

    @model_validator(mode="after")
    def _agreement(self) -> Self:
        given = {name for name in KafkaSettings.model_fields if getattr(self, name)}
        if found := [*contradictions(self.kafka_security, given, self.kafka_options), *self._unreadable()]:
            raise ValueError("\n".join(found))
        return self

    def _unreadable(self) -> Iterator[str]:
        for name in _SECRETS_IN_FILES:
            if path := getattr(self, f"{name}_file"):
                try:
                    if not _text_of(path):
                        yield f"{variable_of(name)}_FILE: {path} is empty: write the secret into it"
                except (OSError, UnicodeDecodeError) as error:
                    reason = getattr(error, "strerror", None) or "it is not text"
                    yield f"{variable_of(name)}_FILE: {path} cannot be read: {reason}"


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

    _s3_address = field_validator("s3_endpoint")(_http)


class RetentionSettings(_Settings):
    """The time that data are kept, for tenants whose policy does not say otherwise."""

    retention_days: Annotated[dict[str, int], NoDecode, BeforeValidator(_days)] = Field(default_factory=dict)
    """Days by class of data where they are not the default, such as audio=7,transcripts=forever."""
    retention_minutes: float = Field(default=10, gt=0)
    """Minutes from one sweep of expired data to the next."""

    @field_validator("retention_days")
    @classmethod
    def _known(cls, value: dict[str, int]) -> dict[str, int]:
        if found := [f"{name} {message}" for name, message in mistakes(value)]:
            raise ValueError("; ".join(found))
        return value


class StallSettings(_Settings):
    """The time after which a job that does not move is one to look at; by the database's clock."""

    stalled_running_hours: float = Field(default=6, gt=0, le=87_600)
    """A job in work that has told nothing for so many hours counts as stalled: more than its result may wait for the diarizers."""
    stalled_queued_hours: float = Field(default=24, gt=0, le=87_600)
    """A job that has waited for its turn for so many hours counts as stalled: more than the longest backlog."""


class OutboundSettings(_Settings):
    """Calls to addresses that strangers name: recordings and webhooks."""

    allowed_networks: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)] = ()
    """Networks in CIDR form that may be called although they are private, separated by commas: those of your own receivers and media servers."""
    egress_proxy: SecretStr | None = None
    """HTTP proxy through which all of these calls and those to the enhanced-AI service go, such as http://user:password@proxy:4750; unset: none. Proxies of the environment are never used."""
    outbound_ca_file: Path | None = None
    """Certificates (PEM) of authorities that these calls trust beside the public ones."""
    fetch_max_bytes: int = Field(default=2_000_000_000, ge=1)
    """Largest recording in bytes."""
    fetch_deadline_seconds: float = Field(default=600, gt=0)
    """Longest time one fetch may take in all."""
    webhook_timeout_seconds: float = Field(default=20, gt=0)
    """Longest time one webhook call may take in all."""
    webhook_key: SecretStr | None = None
    """32 random bytes in base64 that encrypt the endpoints' secrets at rest: `python -m sink.webhooks.secrets` makes one. Several keys, separated by commas: the first encrypts, all decrypt."""
    time_scale: float = Field(default=1.0, gt=0, le=1.0)
    """Factor on every retry delay of webhooks and jobs; below 1 only in tests and demos."""

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)  # its ValueError says what is wrong
        return value

    @field_validator("egress_proxy")
    @classmethod
    def _proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                _http(value.get_secret_value())
            except ValueError:  # urlsplit's own words may quote the password
                raise ValueError("is not an address such as http://user:password@proxy:4750") from None
        return value


class EnhancedAiSettings(_Settings):
    """The enhanced-AI service that summarises transcripts and finds entities in them."""

    enhanced_ai_endpoint: str | None = Field(default=None, validation_alias="ENHANCED_AI_ENDPOINT")
    """Address of the enhanced-AI service; unset: nobody may ask for it. Of kind `openai`: its base, such as https://llm.example/v1."""
    enhanced_ai_api_key: SecretStr | None = Field(default=None, validation_alias="ENHANCED_AI_API_KEY")
    """Sent to it as bearer token."""
    enhanced_ai_kind: Literal["json", "openai"] = "json"
    """How it is spoken to: the JSON form of producers/README.md, or OpenAI's chat completions."""
    enhanced_ai_models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)] = ()
    """Models that may be asked for, separated by commas, the default one first; unset: only the service's own default."""
    enhanced_ai_window_tokens: int = Field(default=8192, ge=1024)
    """What a chat model takes in and gives out in one call; longer transcripts are worked through in parts."""
    enhanced_ai_answer_tokens: int = Field(default=1024, ge=128)
    """Longest answer of a chat model, out of its window."""
    enhanced_ai_calls: int = Field(default=4, ge=1, le=256)
    """Calls of one dispatcher at the same time; a tenant gets at most half of them, at least one."""
    enhanced_ai_tokens_per_day: int | None = Field(default=None, ge=0)
    """Tokens that all tenants together may spend a day (UTC); calls above wait for the next one. A tenant's own limit is its quota `llm_tokens_per_day`."""
    enhanced_ai_timeout_seconds: float = Field(default=120, gt=0)
    """Longest time one call may take in all."""

    _ai_address = field_validator("enhanced_ai_endpoint")(_http)
    _bearer = field_validator("enhanced_ai_api_key")(_header_value)


class ApiSettings(_Settings):
    """The REST shim."""

    api_host: str = "127.0.0.1"
    """Address it listens on."""
    api_port: int = Field(default=8000, ge=0, le=65535)
    """Port it listens on."""
    api_max_connections: int | None = Field(default=None, ge=16)
    """Most connections at a time; unset: what the limit of open files (`ulimit -n`) leaves beside the process's own."""
    upload_max_bytes: int = Field(default=2_000_000_000, ge=1)
    """Largest upload in bytes."""
    postgres_read_dsn: SecretStr | None = None
    """Connection string of a streaming replica that answers searches and transcripts; unset: the primary does."""
    webhook_max_endpoints: int = Field(default=1000, ge=1)
    """Endpoints that a tenant may register over REST. Those that its jobs name are registered whatever their number, and count."""
    public_url: str = "http://127.0.0.1:8000"
    """Address under which clients reach the shim; the links in webhooks start with it."""

    _public = field_validator("public_url")(_http)


class ClientSettings(_Settings):
    """The `scribe` command as a client of the REST shim."""

    api_url: str = "http://127.0.0.1:8000"
    """Address of the REST shim."""
    api_key: SecretStr | None = None
    """Key for it: `scribe keys create` makes one."""

    @field_validator("api_url")
    @classmethod
    def _url(cls, value: str) -> str:
        address = _http(value.strip()) or ""
        if urlsplit(address).query or urlsplit(address).fragment:
            raise ValueError("must end with its host or path: what is called is put behind it")
        return address.rstrip("/")

    _header = field_validator("api_key")(_header_value)


class ModelSettings(_Settings):
    """The models that jobs may name."""

    models_file: Path | None = None
    """Model registry file; unset: the one that ships with the service."""
    default_model: str | None = None
    """Registry entry for jobs that name none; unset: the file's default."""
    diarizer: str | None = None
    """Registry entry of the diarizer; unset: the file's default."""
    models_cache: Path | None = None
    """Folder of fetched models; unset: the hub client's own, for those from wheels `.cache/scribe-rabbit/models` below the home."""


class TenantSettings(_Settings):
    """Tenants of whom nothing was said."""

    unknown_tenant: UnknownTenant = "allow"
    """Whether jobs of a tenant without a policy are done; `deny`: `scribe tenants set TENANT` makes it known."""


class GpuSettings(_Settings):
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


class EcsSettings(_Settings):
    """The ECS task of a GPU consumer."""

    ecs_task_protection: bool = False
    """Whether the process asks ECS to end other tasks first while it has jobs in work."""
    ecs_agent_uri: str | None = Field(default=None, validation_alias="ECS_AGENT_URI")
    """Address of the agent that ECS sets for each task; not for you to set."""

    _agent = field_validator("ecs_agent_uri")(_http)


class KubernetesSettings(_Settings):
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
        if urlsplit(_http(value)).scheme != "https":
            raise ValueError("is not an https address: a token goes there")
        return value


SETTINGS: tuple[type[_Settings], ...] = (
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    RetentionSettings,
    StallSettings,
    OutboundSettings,
    EnhancedAiSettings,
    ApiSettings,
    ClientSettings,
    ModelSettings,
    TenantSettings,
    GpuSettings,
    EcsSettings,
    KubernetesSettings,
)


class RelayProcess(ServiceSettings, KafkaSettings, PostgresSettings, RetentionSettings):
    """All that `scribe-relay` reads."""


class KafkaAndObjects(KafkaSettings, ObjectStoreSettings):
    """All that `scribe submit --via kafka` and `scribe topics` read."""


class ReplayProcess(KafkaSettings, PostgresSettings, ObjectStoreSettings, ModelSettings):
    """All that `scribe dlq` and `scribe replay` read."""


class ApiProcess(
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    OutboundSettings,
    EnhancedAiSettings,
    ApiSettings,
    ModelSettings,
    TenantSettings,
):
    """All that `scribe-api` reads."""


class GpuProcess(
    ServiceSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OutboundSettings,
    ModelSettings,
    TenantSettings,
    GpuSettings,
    EcsSettings,
    KubernetesSettings,
):
    """All that `scribe-gpu` reads."""


class FaustProcess(ServiceSettings, KafkaSettings, PostgresSettings):
    """Settings that every process of an agent reads."""


class PersistProcess(FaustProcess, ObjectStoreSettings):
    """All that `scribe-streams persist` reads."""


class WebhooksProcess(FaustProcess, OutboundSettings, ApiSettings):
    """All that `scribe-streams webhooks` reads."""


class RetentionProcess(ServiceSettings, PostgresSettings, ObjectStoreSettings, RetentionSettings, StallSettings):
    """All that `scribe-streams retention` reads."""


class WhyCommand(KafkaSettings, PostgresSettings):
    """All that `scribe why --direct` reads."""


class StalledCommand(KafkaSettings, PostgresSettings, StallSettings):
    """All that `scribe database stalled` reads."""


class EnhanceProcess(FaustProcess):
    """All that `scribe-streams enhance` reads."""


class DispatchProcess(ServiceSettings, KafkaSettings, PostgresSettings, OutboundSettings, EnhancedAiSettings):
    """All that `scribe-streams dispatch` reads."""


# the first edition's names, which deployments have, and what a platform sets
_UNPREFIXED = frozenset({"enhanced_ai_endpoint", "enhanced_ai_api_key", "ecs_agent_uri"})


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return field.upper() if field in _UNPREFIXED else f"{PREFIX}{field.upper()}"


# variables of this repository's own tools, which no process reads
_OF_TOOLS = frozenset({"SCRIBE_CACHE_DIR", "SCRIBE_TEST_STACK"})


def unknown_variables() -> tuple[str, ...]:
    """A message for each variable that begins like ours and that nobody reads: most are misspelt."""
    known = [variable_of(name) for cls in SETTINGS for name in cls.model_fields]
    seen = {**EnvSettingsSource(_Settings).env_vars, **DotEnvSettingsSource(_Settings).env_vars}
    names = sorted({name.upper() for name in seen if name.upper().startswith(PREFIX)} - {*known, *_OF_TOOLS})
    return tuple(f"{name}: nobody reads this variable{_meant(name, known)}" for name in names)


def _meant(name: str, known: Sequence[str]) -> str:
    """The one that was probably meant; the prefix that all have makes none alike."""
    rest = {variable.removeprefix(PREFIX): variable for variable in known}
    found = nearest(name.removeprefix(PREFIX), rest)
    return f"; did you mean `{rest[found]}`?" if found else ""


@cache
def _warn(messages: tuple[str, ...]) -> None:
    for message in messages:
        log.warning("%s", message)


def warn_of_unknown_variables() -> None:
    """Log them, once a process."""
    _warn(unknown_variables())


def load(cls: type[S], **given: Any) -> S:
    """The settings `cls` from the environment; `given` values win. Raises SettingsError with every mistake."""
    if log.hasHandlers():  # else schemas.process.logs does, when it has set the form of logs
        warn_of_unknown_variables()
    try:
        return cls(**{name: value for name, value in given.items() if name in cls.model_fields})
    except ValidationError as error:
        # `from None`: pydantic's own words repeat the values, and some are secrets
        raise SettingsError("\n".join(_mistake(cls, item) for item in error.errors())) from None


def _mistake(cls: type[BaseSettings], item: Any) -> str:
    if not item["loc"]:  # of several variables together, each named in its line
        return str(item["msg"]).removeprefix("Value error, ")
    location = [str(part) for part in item["loc"]]
    name = location[0].lower().removeprefix(PREFIX.lower()) if location else ""
    variable = variable_of(name) if name in cls.model_fields else (location[0] if location else cls.__name__)
    return ": ".join([variable, *location[1:], item["msg"].removeprefix("Value error, ")])
