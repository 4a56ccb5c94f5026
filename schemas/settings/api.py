"""Settings of the REST shim, of its client, and of tenants that it does not know."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from schemas.settings.base import Settings
from schemas.settings.values import header_value, http_address, names, web_origin
from schemas.tenants.permissions import UnknownTenant
from schemas.tenants.quotas import MAX_REQUESTS_PER_MINUTE

MOST_UPLOAD_HOURS = 36
"""Less than two days, after which the parts of an unfinished upload are deleted in the object store."""


class ApiSettings(Settings):
    """The REST shim."""

    api_host: str = "127.0.0.1"
    """Address it listens on."""
    api_port: int = Field(default=8000, ge=0, le=65535)
    """Port it listens on."""
    api_max_connections: int | None = Field(default=None, ge=16)
    """Most connections at a time; unset: what the limit of open files (`ulimit -n`) leaves beside the process's own."""
    upload_max_bytes: int = Field(default=2_000_000_000, ge=1)
    """Largest upload in bytes."""
    upload_expiry_hours: float = Field(default=24.0, gt=0, le=MOST_UPLOAD_HOURS)
    """Time from the begin of an upload in pieces, or of a presigned one, until it must be a job; then it is deleted. The bucket's lifecycle rule ends what is unfinished after two days."""
    upload_max_unfinished: int = Field(default=100, ge=1)
    """Uploads in pieces and presigned ones that a tenant may have begun and not finished."""
    s3_public_endpoint: str | None = None
    """Address of the object store as clients reach it, with which presigned uploads are answered (AWS: such as `https://s3.eu-central-1.amazonaws.com`); unset: there are none."""
    api_wait_seconds: float = Field(default=570.0, ge=1)
    """How long a request under /v1 waits for the end of its job before it is answered 504: a little less than the 600 s that OpenAI's clients wait."""
    api_most_wait_seconds: float | None = Field(default=None, gt=0)
    """How long a new job may wait until it begins, as it is estimated: submissions beyond that are answered 429 `queue_too_long`; unset: no limit."""
    api_requests_per_minute: int = Field(default=0, ge=0, le=MAX_REQUESTS_PER_MINUTE)
    """Requests that a key may make a minute, all processes of the shim together, where the key has no limit of its own (`scribe keys create --requests-per-minute`); 0: no limit."""
    api_cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(names)] = ()
    """Other sites whose pages may call the shim from a browser, with a key in a header: such as `https://app.example,https://admin.example`, or `*` for all."""
    postgres_read_dsn: SecretStr | None = None
    """Connection string of a streaming replica that answers searches and transcripts; unset: the primary does."""
    api_prepare_statements: bool = False
    """Whether the shim's connections keep prepared statements, which saves PostgreSQL work; not through a proxy that pools transactions and knows none (PgBouncer before 1.21)."""
    webhook_max_endpoints: int = Field(default=1000, ge=1)
    """Endpoints that a tenant may register over REST. Those that its jobs name are registered whatever their number, and count."""
    api_dead_letters: bool = False
    """Whether keys with the scope `operator` may read the dead letters of all groups over REST and on the page; the shim's user at the broker then needs the right to read the topics `scribe.*.dlq`, and the shim the way there, which it needs for nothing else."""
    public_url: str = "http://127.0.0.1:8000"
    """Address under which clients reach the shim; the links in webhooks start with it, and if it is https, browsers send the cookie of the page over nothing else."""

    _public = field_validator("public_url", "s3_public_endpoint")(http_address)

    @field_validator("api_cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(web_origin, value))


class ClientSettings(Settings):
    """The `scribe` command as a client of the REST shim."""

    api_url: str = "http://127.0.0.1:8000"
    """Address of the REST shim."""
    api_key: SecretStr | None = None
    """Key for it: `scribe keys create` makes one."""
    api_resumable_bytes: int = Field(default=64_000_000, ge=0)
    """Size in bytes from which `scribe submit` sends a file in pieces, so that a lost connection costs one of them."""

    @field_validator("api_url")
    @classmethod
    def _url(cls, value: str) -> str:
        address = http_address(value.strip()) or ""
        if urlsplit(address).query or urlsplit(address).fragment:
            raise ValueError("must end with its host or path: what is called is put behind it")
        return address.rstrip("/")

    _header = field_validator("api_key")(header_value)


class TenantSettings(Settings):
    """Tenants of whom nothing was said."""

    unknown_tenant: UnknownTenant = "allow"
    """Whether jobs of a tenant without a policy are done; `deny`: `scribe tenants set TENANT` makes it known."""
