"""Faust's credentials, from the security that all Kafka clients share."""

import asyncio

import faust
from aiokafka.abc import AbstractTokenProvider
from faust.types.auth import CredentialsT

from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.security import aiokafka_security
from sink.records.kafka.tokens import TokenSource


class SharedTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Tokens of a source for aiokafka, which asks at each connection."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def token(self) -> str:
        """The current token; in a thread, because another may have to be fetched."""
        return (await asyncio.to_thread(self._source.token)).text


def credentials_of(settings: KafkaSettings) -> CredentialsT | None:
    """Faust's form of the security of the settings, None without any; raises SettingsError for files of no use."""
    security = aiokafka_security(settings)
    if not security:
        return None
    context = security["ssl_context"]
    if "sasl_mechanism" not in security:
        return faust.SSLCredentials(context)
    if (source := security.get("token_source")) is not None:
        return faust.OAuthCredentials(oauth_cb=SharedTokens(source), ssl_context=context)
    return faust.SASLCredentials(
        username=security["sasl_plain_username"],
        password=security["sasl_plain_password"],
        mechanism=security["sasl_mechanism"],
        ssl_context=context,
    )
