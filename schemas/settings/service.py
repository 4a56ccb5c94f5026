"""Settings that every process reads."""

from typing import Literal

from pydantic import Field, field_validator

from schemas.settings.base import Settings
from schemas.settings.values import http_address


class ServiceSettings(Settings):
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

    _collector = field_validator("otlp_endpoint")(http_address)
