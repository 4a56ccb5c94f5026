"""Access to the brokers of a secure stack: an authority of its own, certificates, and users with passwords."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package does not say that it exports them
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.local.ports import HOST

ADMIN = "admin"
BROKER = "broker"
ITERATIONS = 4096  # the least that brokers take: these passwords are long and random
DAYS = 3650
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """Certificates in `folder` and passwords made from `secret`; `audit` logs what the ACLs allow, too."""

    folder: Path
    secret: str
    audit: bool = False
    users: tuple[str, ...] = ()
    """Those that get a password beside the administrator."""

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def certificate(self, name: str) -> Path:
        """The certificate that says `name`, with its key in the same file."""
        return self.folder / f"{name}.pem"

    def password(self, user: str) -> str:
        """The password of a user."""
        return hmac.new(self.secret.encode(), user.encode(), hashlib.sha256).hexdigest()[:40]

    def prepare(self) -> None:
        """Make the authority and the certificates of the brokers and the administrator, once."""
        if self.certificate(ADMIN).exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        import trustme  # here, because few stacks are secure

        authority = trustme.CA()
        write_private(self.folder / "ca-key.pem", authority.private_key_pem.bytes())
        self.ca.write_bytes(authority.cert_pem.bytes())
        self.issue(BROKER)
        self.issue(ADMIN)

    def issue(self, name: str, *, begins: datetime | None = None, ends: datetime | None = None) -> Path:
        """A certificate of the authority for `name` and this machine's loopback address."""
        import trustme

        authority = trustme.CA.from_pem(self.ca.read_bytes(), (self.folder / "ca-key.pem").read_bytes())
        leaf = authority.issue_cert(
            HOST,
            "localhost",
            common_name=name,
            not_before=begins,
            not_after=ends or datetime.now(UTC) + timedelta(days=DAYS),
        )
        # the broker reads keys in PKCS 8 only
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(self.certificate(name), text + b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        return self.certificate(name)

    def properties(self) -> dict[str, object]:
        """The settings of a broker: TLS on each listener, SCRAM for clients, certificates among brokers, no right by default."""
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.certificate(BROKER),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca,
            "listener.name.internal.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+),.*$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{BROKER};User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def admin_options(self) -> dict[str, str]:
        """The options of the administrator's client, on the listener of the brokers."""
        certificate = str(self.certificate(ADMIN))
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.ca),
            "ssl.certificate.location": certificate,
            "ssl.key.location": certificate,
        }

    def environment(self, user: str) -> dict[str, str]:
        """The variables with which a process is this user."""
        return {
            "SCRIBE_KAFKA_SECURITY": "scram-sha-512",
            "SCRIBE_KAFKA_CA_FILE": str(self.ca),
            "SCRIBE_KAFKA_USER": user,
            "SCRIBE_KAFKA_PASSWORD": self.password(user),
        }

    def create_users(self, admin: AdminClient, users: Iterable[str]) -> None:
        """Give users their passwords; running again is no error."""
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        wanted: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, scram, self.password(user).encode()) for user in users
        ]
        for future in admin.alter_user_scram_credentials(wanted, request_timeout=SECONDS).values():
            future.result(timeout=SECONDS)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
