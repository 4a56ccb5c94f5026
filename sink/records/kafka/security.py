"""TLS and SASL of every Kafka client: one set of settings, mapped to librdkafka and to aiokafka."""

import logging
import ssl
from collections.abc import Callable
from typing import Any

from schemas.errors import ScribeError
from schemas.settings.kafka import KafkaSecurity, KafkaSettings
from schemas.settings.values import secret_of
from sink.records.kafka.certificates import check_files
from sink.records.kafka.tokens import TokenSource, token_source

log = logging.getLogger(__name__)
# what both libraries, and brokers, call them
_MECHANISMS: dict[KafkaSecurity, str] = {
    "scram-sha-512": "SCRAM-SHA-512",
    "scram-sha-256": "SCRAM-SHA-256",
    "plain": "PLAIN",
    "oauthbearer": "OAUTHBEARER",
    "msk-iam": "OAUTHBEARER",
}


def client_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """The configuration of every client of the service; SCRIBE_KAFKA_OPTIONS add tuning, security cannot be overridden.

    Raises SettingsError for files of TLS that are of no use.
    """
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": client_id,
        **settings.kafka_options,
        **librdkafka_security(settings),
    }


def librdkafka_security(settings: KafkaSettings) -> dict[str, Any]:
    """The options of a client of confluent-kafka; raises SettingsError for files that are of no use."""
    if settings.kafka_security == "none":
        return {}
    check_files(settings)
    options: dict[str, Any] = {
        "ssl.ca.location": _text(settings.kafka_ca_file),
        "ssl.certificate.location": _text(settings.kafka_certificate_file),
        "ssl.key.location": _text(settings.kafka_key_file),
        "ssl.key.password": secret_of(settings.kafka_key_password, settings.kafka_key_password_file),
    }
    mechanism = _MECHANISMS.get(settings.kafka_security)
    if (source := token_source(settings)) is not None:
        options["oauth_cb"] = _answering(source)
    elif mechanism is not None:
        options |= {
            "sasl.username": settings.kafka_user,
            "sasl.password": secret_of(settings.kafka_password, settings.kafka_password_file),
        }
    protocol = (
        {"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism} if mechanism else {"security.protocol": "SSL"}
    )
    return protocol | {name: value for name, value in options.items() if value is not None}


def aiokafka_security(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments of a client of aiokafka, but for the form of its token provider; raises SettingsError likewise.

    `token_source`, in place of aiokafka's `sasl_oauth_token_provider`, is a TokenSource.
    """
    if settings.kafka_security == "none":
        return {}
    mechanism = _MECHANISMS.get(settings.kafka_security)
    context = tls_context(settings)
    if mechanism is None:
        return {"security_protocol": "SSL", "ssl_context": context}
    arguments = {"security_protocol": "SASL_SSL", "ssl_context": context, "sasl_mechanism": mechanism}
    if (source := token_source(settings)) is not None:
        return {**arguments, "token_source": source}
    password = secret_of(settings.kafka_password, settings.kafka_password_file)
    return {**arguments, "sasl_plain_username": settings.kafka_user, "sasl_plain_password": password}


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """The TLS of a client in Python, which verifies the broker's certificate and its name; raises SettingsError."""
    check_files(settings)
    context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_certificate_file:
        context.load_cert_chain(
            settings.kafka_certificate_file,
            settings.kafka_key_file,
            # a callable: without a password OpenSSL would ask the terminal for one
            password=lambda: secret_of(settings.kafka_key_password, settings.kafka_key_password_file) or "",
        )
    return context


def _answering(source: TokenSource) -> Callable[[str], tuple[str, float]]:
    def token(_config: str) -> tuple[str, float]:
        try:
            found = source.token()
        except ScribeError as error:
            log.warning("%s", error)  # the library hands on no more than that there is none
            raise
        return found.text, found.expires_at

    return token


def _text(path: object) -> str | None:
    return None if path is None else str(path)
