"""Tokens by client credentials and of MSK's IAM: kept for most of their lives, refused ones in words, no secret told."""

import base64
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from schemas.errors import Outage, ScribeError, SettingsError
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.tokens import Token, TokenSource, token_source
from tests.token_endpoint import TokenEndpoint


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint("client", "kanari") as running:
        yield running


def settings_for(endpoint: TokenEndpoint, **given: Any) -> KafkaSettings:
    values = {
        "kafka_security": "oauthbearer",
        "kafka_user": "client",
        "kafka_password": "kanari",
        "kafka_oauth_url": endpoint.url,
        "kafka_oauth_scope": "kafka",
    }
    return KafkaSettings.model_validate(values | given)


def test_a_token_is_used_for_most_of_its_life() -> None:
    now, fetched = 1000.0, []

    def fetch() -> Token:
        fetched.append(now)
        return Token(f"t{len(fetched)}", now + 100)

    source = TokenSource(fetch, lambda: now)
    assert source.token().text == source.token().text == "t1"
    now = 1079.0
    assert source.token().text == "t1"
    now = 1081.0
    assert source.token().text == "t2"


def test_client_credentials_bring_a_token(endpoint: TokenEndpoint) -> None:
    source = token_source(settings_for(endpoint))
    assert source is not None
    token = source.token()
    assert endpoint.asked == [{"grant_type": "client_credentials", "scope": "kafka"}]
    claims = json.loads(base64.urlsafe_b64decode(token.text.split(".")[1] + "=="))
    assert claims["sub"] == "client"
    assert token.expires_at == pytest.approx(claims["exp"], abs=5)


@pytest.mark.parametrize(
    ("status", "body", "given", "error", "words"),
    [
        (None, None, {"kafka_password": "wrong"}, SettingsError, "refuses the client: HTTP 401 invalid_client; check"),
        (
            HTTPStatus.BAD_REQUEST,
            {"error": "invalid_scope"},
            {},
            SettingsError,
            "HTTP 400 invalid_scope; check SCRIBE_KA",
        ),
        (HTTPStatus.BAD_GATEWAY, {}, {}, Outage, "gives no token: HTTP 502"),
        (HTTPStatus.OK, {"token": "kanari"}, {}, Outage, r"gives no token: no token in it \(KeyError\)"),
        (
            None,
            None,
            {"kafka_oauth_url": "http://127.0.0.1:1/"},
            Outage,
            "gives no answer: .*see SCRIBE_KAFKA_OAUTH_URL",
        ),
    ],
)
def test_what_brings_no_token_is_said_in_words(
    endpoint: TokenEndpoint,
    status: HTTPStatus | None,
    body: Any,
    given: dict[str, str],
    error: type[ScribeError],
    words: str,
) -> None:
    endpoint.answer = None if status is None else (status, body)
    source = token_source(settings_for(endpoint, **given))
    assert source is not None
    with pytest.raises(error, match=words) as caught:
        source.token()
    assert "kanari" not in str(caught.value)


def test_msk_signs_a_request_of_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the token's form is looked at here: no cluster of MSK is at hand."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "kanari")
    source = token_source(KafkaSettings(kafka_security="msk-iam", kafka_aws_region="eu-west-1"))
    assert source is not None
    token = source.token()
    signed = base64.urlsafe_b64decode(token.text + "==").decode()
    assert signed.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert "kanari" not in signed


def test_missing_credentials_of_aws_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    source = token_source(KafkaSettings(kafka_security="msk-iam", kafka_aws_region="eu-west-1"))
    assert source is not None
    with pytest.raises(Outage, match=r"AWS credentials for Kafka are not to be had: .*give the process a role"):
        source.token()
