"""Settings of the Kafka client: brokers, TLS and users, and the schema registry."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from schemas.settings.base import Settings, variable_of
from schemas.settings.values import http_address, https_address, json_object, text_of

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


class KafkaSettings(Settings):
    """The broker and the schema ids."""

    kafka_bootstrap: str = "127.0.0.1:9092"
    """host:port of one or more brokers, separated by commas."""
    kafka_options: Annotated[dict[str, str], NoDecode, BeforeValidator(json_object)] = Field(default_factory=dict)
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

    _registry = field_validator("schema_registry_url")(http_address)
    _token_endpoint = field_validator("kafka_oauth_url")(https_address)

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
                    if not text_of(path):
                        yield f"{variable_of(name)}_FILE: {path} is empty: write the secret into it"
                except (OSError, UnicodeDecodeError) as error:
                    reason = getattr(error, "strerror", None) or "it is not text"
                    yield f"{variable_of(name)}_FILE: {path} cannot be read: {reason}"
