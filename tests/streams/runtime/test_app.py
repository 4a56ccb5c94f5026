"""The settings of every Faust app, and how librdkafka's options become Faust's."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import mode
import pytest
from faust import SASLCredentials, SSLCredentials

from schemas.errors import SettingsError
from schemas.settings import KafkaSettings
from streams.runtime.app import RawSchema, create_app, credentials_of
from streams.runtime.event_loop import HANDLER_SECONDS


def test_an_app_has_the_settings_that_lose_nothing(tmp_path: Path) -> None:
    async def made() -> Any:
        return create_app("g", KafkaSettings(kafka_bootstrap="a:1,b:2"), tmp_path / "not" / "there").conf

    conf = asyncio.run(made())
    assert conf.id == "g"
    assert [str(url) for url in conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert conf.agent_supervisor is mode.CrashingSupervisor
    assert (conf.stream_wait_empty, conf.topic_allow_declare, conf.topic_disable_leader) == (True, False, True)
    assert (conf.web_enabled, conf.table_standby_replicas) == (False, 0)
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.broker_rebalance_timeout > HANDLER_SECONDS
    assert conf.broker_max_poll_interval > 14 * 86_400, "a member that leaves for want of polls never comes back"
    assert Path(conf.datadir).parent.is_dir()


def test_faust_reads_nothing_and_hands_nothing_on_that_would_stay_in_memory() -> None:
    class Message:
        key, value = b"\xff", b"\x00bad"

    schema = RawSchema()
    assert (schema.loads_key(None, Message), schema.loads_value(None, Message)) == (None, None)


def test_a_plain_broker_needs_no_credentials() -> None:
    assert credentials_of({}) is None


def test_passwords_become_sasl() -> None:
    options = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u"}
    credentials = credentials_of({**options, "sasl.password": "p"})
    assert isinstance(credentials, SASLCredentials)
    assert (credentials.username, credentials.password, credentials.mechanism.value) == ("u", "p", "SCRAM-SHA-512")
    assert isinstance(credentials.ssl_context, ssl.SSLContext)


def test_tls_alone_verifies_the_broker() -> None:
    credentials = credentials_of({"security.protocol": "ssl"})
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"security.protocol": "quic"}, "quic is none of"),
        ({"security.protocol": "sasl_plaintext", "sasl.mechanism": "GSSAPI"}, "GSSAPI"),
        ({"security.protocol": "ssl", "ssl.ca.location": "/nowhere.pem"}, "cannot be read"),
    ],
)
def test_options_that_faust_cannot_follow_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        credentials_of(options)
