"""Tokens of OAUTHBEARER: client credentials at a token endpoint, or MSK's IAM; one at a time, fetched before it ends."""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from schemas.errors import Outage, ScribeError, SettingsError
from schemas.settings.kafka import KafkaSettings
from schemas.settings.values import secret_of

SECONDS = 10.0  # for an answer of the token endpoint
KEPT = 0.8  # of a token's life, after which the next one is fetched
LIFE_SECONDS = 300.0  # of a token whose endpoint does not say how long it lives


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the end of its life in seconds since 1970."""

    text: str
    expires_at: float


class TokenSource:
    """Tokens from `fetch`, each used for most of its life; for many threads."""

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._fresh_until = 0.0

    def token(self) -> Token:
        """The current token; raises Outage and SettingsError."""
        with self._lock:
            now = self._clock()
            if self._token is None or now >= self._fresh_until:
                self._token = self._fetch()
                self._fresh_until = now + KEPT * (self._token.expires_at - now)
            return self._token


def token_source(settings: KafkaSettings) -> TokenSource | None:
    """The source of tokens that the settings name, None where they want none."""
    if settings.kafka_security == "oauthbearer":
        return TokenSource(lambda: _client_credentials(settings))
    if settings.kafka_security == "msk-iam":
        return TokenSource(lambda: _msk_iam(settings.kafka_aws_region or ""))
    return None


def _client_credentials(settings: KafkaSettings) -> Token:
    """A token by RFC 6749, section 4.4; the secret and the token are in no error."""
    form = {"grant_type": "client_credentials"} | (
        {"scope": settings.kafka_oauth_scope} if settings.kafka_oauth_scope else {}
    )
    secret = secret_of(settings.kafka_password, settings.kafka_password_file) or ""
    url = settings.kafka_oauth_url or ""
    try:
        answer = httpx.post(
            url,
            data=form,
            auth=(settings.kafka_user or "", secret),
            verify=_trusting(settings),
            timeout=SECONDS,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Outage(f"the token endpoint {url} gives no answer: {error}; see SCRIBE_KAFKA_OAUTH_URL") from error
    if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise SettingsError(
            f"the token endpoint {url} refuses the client: {_reason(answer)};"
            " check SCRIBE_KAFKA_USER, its password and SCRIBE_KAFKA_OAUTH_SCOPE"
        )
    return _token_of(url, answer)


def _token_of(url: str, answer: httpx.Response) -> Token:
    try:
        answer.raise_for_status()
        plain = answer.json()
        return Token(str(plain["access_token"]), time.time() + float(plain.get("expires_in", LIFE_SECONDS)))
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        detail = f"HTTP {answer.status_code}" if answer.is_error else f"no token in it ({type(error).__name__})"
        raise Outage(f"the token endpoint {url} gives no token: {detail}") from None


def _reason(answer: httpx.Response) -> str:
    """The `error` of RFC 6749, which says no secret, or the status."""
    try:
        return f"HTTP {answer.status_code} {str(answer.json()['error'])[:100]}"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _trusting(settings: KafkaSettings) -> ssl.SSLContext:
    """The public authorities, and the broker's own."""
    context = ssl.create_default_context()
    if settings.kafka_ca_file:
        context.load_verify_locations(settings.kafka_ca_file)
    return context


def _msk_iam(region: str) -> Token:
    # here, because boto3 takes a third of a second, and few clusters are MSK's
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
    except (BotoCoreError, ClientError, ValueError, AttributeError) as error:
        # without credentials the signer fails at whatever it does with them first
        raise _without_credentials(error) from error
    return Token(text, expires_ms / 1000)


def _without_credentials(error: Exception) -> ScribeError:
    return Outage(
        f"AWS credentials for Kafka are not to be had: {error};"
        " give the process a role (ECS task role, EKS pod identity or instance profile) or AWS_… variables"
    )
