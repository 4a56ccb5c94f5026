"""Secrets at rest open with their key and for their endpoint only; a missing key is told with what to do."""

import subprocess
import sys
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from schemas.settings.outbound import OutboundSettings
from sink.webhooks.secrets import SecretBox, new_key


def box(key: str | None) -> SecretBox:
    return SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": key}))


BOX = box(new_key())


@given(secret=st.binary(min_size=24, max_size=64), endpoint_id=st.uuids())
def test_a_secret_comes_back(secret: bytes, endpoint_id: UUID) -> None:
    sealed = BOX.seal(secret, endpoint_id)
    assert secret not in sealed
    assert BOX.open(sealed, endpoint_id) == secret


def test_new_secrets_differ_and_are_as_long_as_the_standard_wants() -> None:
    endpoint = uuid4()
    one, two = (BOX.open(BOX.new_secret(endpoint), endpoint) for _ in range(2))
    assert one != two
    assert len(one) == len(two) == 32


def test_a_secret_of_another_endpoint_does_not_open() -> None:
    with pytest.raises(SettingsError, match="another key"):
        BOX.open(BOX.new_secret(uuid4()), uuid4())


def test_a_secret_under_another_key_does_not_open() -> None:
    endpoint = uuid4()
    with pytest.raises(SettingsError, match="another key"):
        box(new_key()).open(BOX.new_secret(endpoint), endpoint)


@given(secret=st.binary(min_size=24, max_size=64), endpoint_id=st.uuids())
def test_the_first_key_encrypts_and_all_decrypt(secret: bytes, endpoint_id: UUID) -> None:
    old, new = new_key(), new_key()
    both = box(f"{new}, {old}")
    sealed = box(old).seal(secret, endpoint_id)
    assert both.open(sealed, endpoint_id) == secret
    resealed = both.resealed(sealed, endpoint_id)
    assert resealed is not None
    assert box(new).open(resealed, endpoint_id) == secret
    assert both.resealed(resealed, endpoint_id) is None


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\x02" + b"x" * 60, b"\x01" + b"x" * 60])
def test_damaged_bytes_do_not_open(damage: bytes) -> None:
    with pytest.raises(SettingsError):
        BOX.open(damage, uuid4())


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "is not set"),
        ("not base64!", "is not base64"),
        ("AAAA", "has 3 bytes instead of 32"),
        pytest.param(f"{new_key()},", "has 0 bytes instead of 32", id="one and nothing"),
    ],
)
def test_a_wrong_key_names_its_variable(key: str | None, words: str) -> None:
    with pytest.raises(SettingsError, match=f"SCRIBE_WEBHOOK_KEY: {words}"):
        box(key)


def test_the_command_prints_a_key_that_works() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "sink.webhooks.secrets"], capture_output=True, text=True, check=True
    ).stdout
    endpoint = uuid4()
    assert box(printed.strip()).open(box(printed.strip()).seal(b"s" * 32, endpoint), endpoint) == b"s" * 32
