"""What keeps a client from a broker is said in words: certificates, names, authorities, ports with and without TLS."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.connection import addresses, handshake_trouble

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
NOW = datetime.now(UTC)


@contextmanager
def server(leaf: trustme.LeafCert | None) -> Iterator[int]:
    """The port of something that speaks TLS, or nothing at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if leaf else None
    if leaf is not None and context is not None:
        leaf.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                accepted, _ = listener.accept()
                with accepted, suppress(OSError):
                    if context is None:
                        accepted.recv(100)
                    else:
                        context.wrap_socket(accepted, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.close()
        thread.join()


LEAVES = {
    "good": AUTHORITY.issue_cert("127.0.0.1"),
    "expired": AUTHORITY.issue_cert("127.0.0.1", not_before=NOW - timedelta(days=2), not_after=NOW - timedelta(days=1)),
    "another name": AUTHORITY.issue_cert("kafka.example"),
    "another authority": STRANGER.issue_cert("127.0.0.1"),
    "no TLS": None,
}


@pytest.mark.parametrize(
    ("leaf", "security", "words"),
    [
        ("good", "tls", None),
        ("no TLS", "none", None),
        (
            "expired",
            "tls",
            "certificate has expired; the broker needs a new one, or the clock of this machine is wrong",
        ),
        ("another name", "tls", "SCRIBE_KAFKA_BOOTSTRAP must call the broker by a name that is in it"),
        ("another authority", "tls", "SCRIBE_KAFKA_CA_FILE must hold the authority that it comes from"),
        ("good", "none", "wants TLS: set SCRIBE_KAFKA_SECURITY"),
        ("no TLS", "tls", "does not speak TLS: give its port for TLS in SCRIBE_KAFKA_BOOTSTRAP"),
    ],
)
def test_a_handshake_tells_what_is_wrong(leaf: str, security: str, words: str | None, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(AUTHORITY.cert_pem.bytes())
    with server(LEAVES[leaf]) as port:
        given = {"kafka_security": security} | ({"kafka_ca_file": authority} if security == "tls" else {})
        found = handshake_trouble(KafkaSettings.model_validate({"kafka_bootstrap": f"127.0.0.1:{port}", **given}))
    assert found is None if words is None else found is not None and words in found


def test_nobody_there_is_no_trouble_of_tls(deaf_port: int) -> None:
    assert handshake_trouble(KafkaSettings(kafka_bootstrap=f"127.0.0.1:{deaf_port}")) is None


def test_addresses_may_be_of_version_6() -> None:
    assert addresses(KafkaSettings(kafka_bootstrap="a:1,[::1]:2")) == [("a", 1), ("::1", 2)]
