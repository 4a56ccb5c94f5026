"""Settings of the database and the object store, and of the time that both keep data."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from schemas.settings.base import Settings
from schemas.settings.values import days_by_class, http_address
from schemas.tenants.retention import mistakes


class PostgresSettings(Settings):
    """The database."""

    postgres_dsn: SecretStr = SecretStr("postgresql://scribe@127.0.0.1:5432/scribe")
    """Connection string of PostgreSQL 15 or newer."""
    postgres_pool_size: int = Field(default=8, ge=1, le=200)
    """Most connections of one process."""


class ObjectStoreSettings(Settings):
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

    _s3_address = field_validator("s3_endpoint")(http_address)


class RetentionSettings(Settings):
    """The time that data are kept, for tenants whose policy does not say otherwise."""

    retention_days: Annotated[dict[str, int], NoDecode, BeforeValidator(days_by_class)] = Field(default_factory=dict)
    """Days by class of data where they are not the default, such as audio=7,transcripts=forever."""
    retention_minutes: float = Field(default=10, gt=0)
    """Minutes from one sweep of expired data to the next."""

    @field_validator("retention_days")
    @classmethod
    def _known(cls, value: dict[str, int]) -> dict[str, int]:
        if found := [f"{name} {message}" for name, message in mistakes(value)]:
            raise ValueError("; ".join(found))
        return value


class StallSettings(Settings):
    """The time after which a job that does not move is one to look at; by the database's clock."""

    stalled_running_hours: float = Field(default=6, gt=0, le=87_600)
    """A job in work that has told nothing for so many hours counts as stalled: more than its result may wait for the diarizers."""
    stalled_queued_hours: float = Field(default=24, gt=0, le=87_600)
    """A job that has waited for its turn for so many hours counts as stalled: more than the longest backlog."""
