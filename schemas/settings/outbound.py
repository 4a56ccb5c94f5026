"""Settings of calls to others: recordings, webhooks and the enhanced-AI service."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from schemas.settings.base import Settings
from schemas.settings.values import header_value, http_address, names


class OutboundSettings(Settings):
    """Calls to addresses that strangers name: recordings and webhooks."""

    allowed_networks: Annotated[tuple[str, ...], NoDecode, BeforeValidator(names)] = ()
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
                http_address(value.get_secret_value())
            except ValueError:  # urlsplit's own words may quote the password
                raise ValueError("is not an address such as http://user:password@proxy:4750") from None
        return value


class EnhancedAiSettings(Settings):
    """The enhanced-AI service that summarises transcripts and finds entities in them."""

    enhanced_ai_endpoint: str | None = Field(default=None, validation_alias="ENHANCED_AI_ENDPOINT")
    """Address of the enhanced-AI service; unset: nobody may ask for it. Of kind `openai`: its base, such as https://llm.example/v1."""
    enhanced_ai_api_key: SecretStr | None = Field(default=None, validation_alias="ENHANCED_AI_API_KEY")
    """Sent to it as bearer token."""
    enhanced_ai_kind: Literal["json", "openai"] = "json"
    """How it is spoken to: the JSON form of producers/README.md, or OpenAI's chat completions."""
    enhanced_ai_models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(names)] = ()
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

    _ai_address = field_validator("enhanced_ai_endpoint")(http_address)
    _bearer = field_validator("enhanced_ai_api_key")(header_value)
