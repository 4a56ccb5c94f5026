"""Signatures are accepted by the reference implementation, for any text, size and number of secrets."""

import base64
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from schemas.errors import SettingsError
from sink.webhooks.signature import format_secret, message_id, parse_secret, signed_headers

SECRETS = st.binary(min_size=24, max_size=64)
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=2000)


def now() -> int:
    return int(datetime.now(UTC).timestamp())


@given(secrets=st.lists(SECRETS, min_size=1, max_size=3, unique=True), body=ANY_TEXT, delivery=st.uuids())
def test_the_reference_implementation_accepts_every_secret_of_a_call(
    secrets: list[bytes], body: str, delivery: UUID
) -> None:
    headers = signed_headers(secrets, message_id(delivery), now(), body.encode())
    # the package's own `verify` also wants JSON, so the text is signed again as it would
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = [Webhook(format_secret(secret)).sign(headers["webhook-id"], at, body) for secret in secrets]
    assert headers["webhook-signature"].split(" ") == expected


@given(secret=SECRETS, text=ANY_TEXT)
def test_a_call_passes_the_reference_verification_and_a_changed_one_does_not(secret: bytes, text: str) -> None:
    body = base64.b64encode(text.encode()).join((b'{"data":"', b'"}'))
    headers = signed_headers([secret], message_id(uuid4()), now(), body)
    webhook = Webhook(format_secret(secret))
    assert webhook.verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        webhook.verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        webhook.verify(body, {**headers, "webhook-id": message_id(uuid4())})


def test_a_megabyte_is_signed_like_anything_else() -> None:
    body = b'"' + b"x" * 1_000_000 + b'"'
    secret = bytes(range(32))
    assert Webhook(format_secret(secret)).verify(body, signed_headers([secret], message_id(uuid4()), now(), body))


def test_the_example_of_the_standard_has_the_signature_it_names() -> None:
    """Id, timestamp, body and secret of the specification's reference libraries."""
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(delivery=st.uuids())
def test_message_ids_have_no_dots_and_keep_deliveries_apart(delivery: UUID) -> None:
    message = message_id(delivery)
    assert message.startswith("msg_")
    assert message.removeprefix("msg_").isalnum()
    assert message != message_id(uuid4())


@given(secret=SECRETS)
def test_secrets_survive_their_format(secret: bytes) -> None:
    assert parse_secret(format_secret(secret)) == secret


@pytest.mark.parametrize("text", ["whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"x" * 23).decode(), "secret"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_secret(text)
