"""Every way to a real broker over TLS, by confluent-kafka and by Faust's client alike, from the same settings."""

import asyncio
import gc
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from deploy.local.broker_access import ADMIN, BrokerAccess
from deploy.local.kafka import Kafka
from deploy.local.ports import HOST
from deploy.local.stack import Stack
from producers.kafka.admin import TopicAdmin
from schemas.errors import Fatal, Outage, SettingsError
from schemas.settings.kafka import KafkaSettings
from streams.kafka.credentials import credentials_of
from tests.token_endpoint import TokenEndpoint

PREFIX = "listener.name.clients"
MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class EveryMechanism(BrokerAccess):
    """A broker that takes passwords in the clear and unsigned tokens, too, which only a test may."""

    def properties(self) -> dict[str, object]:
        users = f'user_{ADMIN}="{self.password(ADMIN)}"'
        return {
            **BrokerAccess.properties(self),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER",
            f"{PREFIX}.scram-sha-256.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
            f"{PREFIX}.plain.sasl.jaas.config": f"{MODULES}.plain.PlainLoginModule required {users};",
            f"{PREFIX}.oauthbearer.sasl.jaas.config": (
                f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
            ),
        }


class OpenStack(Stack):
    """Only its broker, with every mechanism."""

    def _brokers_with(self, jars: Sequence[Path]) -> list[Kafka]:
        (kafka,) = super()._brokers_with(jars)
        assert kafka.access is not None
        kafka.access = EveryMechanism(kafka.access.folder, kafka.access.secret, users=kafka.access.users)
        return [kafka]

    def _compose(self) -> None:
        super()._compose()
        self.components = {Kafka.name: self.components[Kafka.name]}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with OpenStack(tmp_path_factory.mktemp("secure"), secure=True, durable=False) as stack:
        yield stack


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenEndpoint]:
    with TokenEndpoint(ADMIN, "secret of the client") as running:
        yield running


@pytest.fixture
def common(secure: Stack) -> dict[str, Any]:
    access = secure.broker_access
    return {
        "kafka_bootstrap": secure.kafka_bootstrap,
        "kafka_ca_file": access.ca,
        "kafka_user": ADMIN,
        "kafka_password": access.password(ADMIN),
    }


async def _topics_seen_by_faust(settings: KafkaSettings) -> set[str]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, **credentials_to_aiokafka_auth(credentials_of(settings))
    )
    try:
        await consumer.start()
        return set(await consumer.topics())
    finally:
        await consumer.stop()


def _refusal_by_faust(settings: KafkaSettings) -> str:
    """The words of Faust's library when the broker does not let it in."""
    try:
        asyncio.run(_topics_seen_by_faust(settings))
    except KafkaError as error:
        words = str(error)
    else:
        raise AssertionError("it was let in")
    with warnings.catch_warnings():
        # aiokafka closes no connection that was refused; here and not in whichever test comes next
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return words


def reached_by_both(settings: KafkaSettings) -> None:
    assert TopicAdmin(settings).partitions(["none"]) == {}
    assert asyncio.run(_topics_seen_by_faust(settings)) == set()


@pytest.mark.parametrize("security", ["scram-sha-512", "plain"])
def test_a_password_is_taken_from_both_libraries(common: dict[str, Any], security: str) -> None:
    reached_by_both(KafkaSettings.model_validate({**common, "kafka_security": security}))


def test_a_token_is_taken_from_both_libraries(common: dict[str, Any], tokens: TokenEndpoint) -> None:
    given = {"kafka_password": "secret of the client", "kafka_oauth_url": tokens.url}
    reached_by_both(KafkaSettings.model_validate({**common, "kafka_security": "oauthbearer", **given}))
    assert tokens.asked


def by_certificate(secure: Stack, path: Path) -> KafkaSettings:
    """Through the door of the brokers, who ask for a certificate."""
    return KafkaSettings(
        kafka_bootstrap=f"{HOST}:{secure.kafka.ports['kafka_internal']}",
        kafka_security="tls",
        kafka_ca_file=secure.broker_access.ca,
        kafka_certificate_file=path,
        kafka_key_file=path,
    )


def test_a_certificate_is_taken_from_both_libraries(secure: Stack) -> None:
    reached_by_both(by_certificate(secure, secure.broker_access.certificate(ADMIN)))


def test_an_expired_certificate_is_named_before_the_broker_is_asked(secure: Stack) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    path = secure.broker_access.issue("late", begins=yesterday - timedelta(days=1), ends=yesterday)
    for attempt in (TopicAdmin, credentials_of):
        with pytest.raises(SettingsError, match=r"SCRIBE_KAFKA_CERTIFICATE_FILE: .*late.pem: the certificate expired"):
            attempt(by_certificate(secure, path))


def test_a_wrong_password_is_refused_in_words_and_told_to_nobody(
    common: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = KafkaSettings.model_validate(
        {**common, "kafka_security": "scram-sha-512", "kafka_password": "kanari-in-a-mine"}
    )
    with pytest.raises(Fatal, match=r"refuses user 'admin'.*SCRIBE_KAFKA_PASSWORD") as caught:
        TopicAdmin(settings).partitions(["none"])
    refused = _refusal_by_faust(settings)
    for text in (str(caught.value), refused, caplog.text, repr(settings)):
        assert "kanari" not in text


def test_a_broker_of_another_authority_is_refused_in_words(common: dict[str, Any], tmp_path: Path) -> None:
    other = BrokerAccess(tmp_path / "other", "x")
    other.prepare()
    settings = KafkaSettings.model_validate({**common, "kafka_security": "scram-sha-512", "kafka_ca_file": other.ca})
    with pytest.raises(Outage, match="SCRIBE_KAFKA_CA_FILE"):
        TopicAdmin(settings).partitions(["none"])


def test_plain_words_to_a_broker_with_tls_say_what_is_missing(secure: Stack) -> None:
    with pytest.raises(Outage, match="SCRIBE_KAFKA_SECURITY"):
        TopicAdmin(KafkaSettings(kafka_bootstrap=secure.kafka_bootstrap)).partitions(["none"])
