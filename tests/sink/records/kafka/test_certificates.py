"""PEM files that TLS cannot use are named with what to do, before any client is made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from schemas.errors import SettingsError
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.certificates import check_files

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AUTHORITY = trustme.CA()


def pair(folder: Path, *, begins: datetime = NOW - DAY, ends: datetime = NOW + 100 * DAY) -> dict[str, Path]:
    """A certificate and its key."""
    leaf = AUTHORITY.issue_cert("scribe", not_before=begins, not_after=ends)
    certificate, key = folder / "c.pem", folder / "k.pem"
    certificate.write_bytes(leaf.cert_chain_pems[0].bytes())
    key.write_bytes(leaf.private_key_pem.bytes())
    return {"kafka_certificate_file": certificate, "kafka_key_file": key}


def encrypted(folder: Path) -> dict[str, Path]:
    """A pair whose key has the password `right`."""
    found = pair(folder)
    key = load_pem_private_key(found["kafka_key_file"].read_bytes(), None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    found["kafka_key_file"].write_bytes(key.private_bytes(*form))
    return found


def strange_key(folder: Path) -> dict[str, Path]:
    (folder / "other").mkdir()
    return {**pair(folder), "kafka_key_file": pair(folder / "other")["kafka_key_file"]}


def without_certificate(folder: Path) -> dict[str, Path]:
    (folder / "ca.pem").write_text("nothing")
    return {"kafka_ca_file": folder / "ca.pem"}


Given = Callable[[Path], dict[str, object]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda f: pair(f, ends=NOW - DAY), "SCRIBE_KAFKA_CERTIFICATE_FILE: .*c.pem: the certificate expired at 20"),
        (lambda f: pair(f, begins=NOW + DAY), "the certificate is not valid before 20.*: is the clock of this machine"),
        (
            strange_key,
            "SCRIBE_KAFKA_KEY_FILE: .*k.pem is not the key of the certificate .*c.pem: give both of one pair",
        ),
        (encrypted, "SCRIBE_KAFKA_KEY_FILE: .*k.pem is encrypted: set SCRIBE_KAFKA_KEY_PASSWORD or its _FILE"),
        (lambda f: {**encrypted(f), "kafka_key_password": "wrong"}, "is the password of SCRIBE_KAFKA_KEY_PASSWORD"),
        (lambda f: {**pair(f), "kafka_key_password": "needless"}, "k.pem is not encrypted: unset its password"),
        (lambda f: {"kafka_ca_file": f / "none"}, "SCRIBE_KAFKA_CA_FILE: .*none cannot be read: No such file"),
        (without_certificate, "SCRIBE_KAFKA_CA_FILE: .*ca.pem holds no certificate in PEM"),
        (
            lambda f: {**pair(f), "kafka_ca_file": pair(f, ends=NOW - DAY)["kafka_certificate_file"]},
            "CA_FILE: .*expired",
        ),
    ],
)
def test_a_file_that_is_of_no_use_is_named(given: Given, words: str, tmp_path: Path) -> None:
    settings = KafkaSettings.model_validate({"kafka_security": "tls", **given(tmp_path)})
    with pytest.raises(SettingsError, match=words) as caught:
        check_files(settings)
    assert "wrong" not in str(caught.value)


def test_what_is_right_is_taken_and_what_ends_soon_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_files(
        KafkaSettings.model_validate({"kafka_security": "tls", **encrypted(tmp_path), "kafka_key_password": "right"})
    )
    assert not caplog.records
    check_files(KafkaSettings.model_validate({"kafka_security": "tls", **pair(tmp_path, ends=NOW + 3 * DAY)}))
    assert "expires at" in caplog.text
    assert "renew it" in caplog.text
