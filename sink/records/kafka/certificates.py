"""Check of the PEM files that TLS to the broker needs, with every mistake in words before a client is made."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from schemas.errors import SettingsError
from schemas.settings.kafka import KafkaSettings
from schemas.settings.values import secret_of

log = logging.getLogger(__name__)
SOON = timedelta(days=14)


def check_files(settings: KafkaSettings, now: datetime | None = None) -> None:
    """Raise SettingsError with a line for each file that TLS cannot use; warn of what expires soon."""
    now = now or datetime.now(UTC)
    if found := [*_authorities(settings.kafka_ca_file, now), *_own(settings, now)]:
        raise SettingsError("\n".join(found))


def _authorities(path: Path | None, now: datetime) -> Iterator[str]:
    if path is None:
        return
    variable = "SCRIBE_KAFKA_CA_FILE"
    try:
        certificates = _certificates(path)
    except ValueError as error:
        yield f"{variable}: {error}"
        return
    # a bundle may keep old ones, as long as one is in force
    mistakes = [_validity(each, now) for each in certificates]
    if all(mistakes):
        yield f"{variable}: {path}: {mistakes[0]}"


def _own(settings: KafkaSettings, now: datetime) -> Iterator[str]:
    path, key_path = settings.kafka_certificate_file, settings.kafka_key_file
    if path is None or key_path is None:
        return
    variable = "SCRIBE_KAFKA_CERTIFICATE_FILE"
    try:
        certificate = _certificates(path)[0]
    except ValueError as error:
        yield f"{variable}: {error}"
        return
    if mistake := _validity(certificate, now):
        yield f"{variable}: {path}: {mistake}"
    elif certificate.not_valid_after_utc - now < SOON:
        log.warning("%s: %s expires at %s: renew it", variable, path, certificate.not_valid_after_utc)
    yield from _key(settings, key_path, certificate)


def _key(settings: KafkaSettings, path: Path, certificate: x509.Certificate) -> Iterator[str]:
    password = secret_of(settings.kafka_key_password, settings.kafka_key_password_file)
    try:
        key = load_pem_private_key(path.read_bytes(), password.encode() if password else None)
    except TypeError:
        encrypted = "is encrypted: set SCRIBE_KAFKA_KEY_PASSWORD or its _FILE"
        yield f"SCRIBE_KAFKA_KEY_FILE: {path} {'is not encrypted: unset its password' if password else encrypted}"
    except OSError as error:
        yield f"SCRIBE_KAFKA_KEY_FILE: {path} cannot be read: {error.strerror}"
    except ValueError:
        advice = "is the password of SCRIBE_KAFKA_KEY_PASSWORD right?" if password else "a private key in PEM is needed"
        yield f"SCRIBE_KAFKA_KEY_FILE: {path} cannot be used: {advice}"
    else:
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
            yield (
                f"SCRIBE_KAFKA_KEY_FILE: {path} is not the key of the certificate {settings.kafka_certificate_file}:"
                " give both of one pair"
            )


def _certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, at least one; raises ValueError with the reason."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} holds no certificate in PEM") from error


def _validity(certificate: x509.Certificate, now: datetime) -> str | None:
    if now > certificate.not_valid_after_utc:
        return f"the certificate expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: give a new one"
    if now < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc
        return f"the certificate is not valid before {begins:%Y-%m-%d %H:%M} UTC: is the clock of this machine right?"
    return None
