"""The first answer of a broker, or why none comes, in words that say what to do."""

import socket
import ssl

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # it does not say so

from schemas.errors import Fatal, Outage, ScribeError
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.security import tls_context

SECONDS = 3.0
PATIENCE = (0.5, 1.0, 2.0, 6.5)
"""Ever longer tries to get an answer, in seconds."""
_EXPIRED, _NOT_YET = 10, 9  # OpenSSL's X509_V_ERR_…
_OTHER_NAMES = frozenset({62, 64})
_CREDENTIALS = {
    "oauthbearer": "the token is not for this cluster: check SCRIBE_KAFKA_USER and SCRIBE_KAFKA_OAUTH_SCOPE",
    "msk-iam": "the role needs kafka-cluster:Connect on this cluster, and SCRIBE_KAFKA_AWS_REGION must be its region",
    "tls": "a client certificate is wanted: SCRIBE_KAFKA_CERTIFICATE_FILE, or SCRIBE_KAFKA_SECURITY with a user",
}


class ConnectionTroubles:
    """The trouble of a client on its way to the brokers; `note` is its error callback."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None
        self.all_down = False

    def note(self, error: KafkaError) -> None:
        """Keep the cause of each trouble, and that all brokers are down."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.all_down = True
        elif not self.all_down:
            self.last = error


def metadata(client: AdminClient, settings: KafkaSettings, troubles: ConnectionTroubles) -> ClusterMetadata:
    """The cluster's metadata; brokers that refuse connections fail at once, silent ones when patience is over.

    Raises Outage, and Fatal for a user that is refused.
    """
    troubles.all_down = False
    for seconds in PATIENCE:
        try:
            return client.list_topics(timeout=seconds)
        except KafkaException as error:
            failed = error
            client.poll(0)  # hears of the connections' troubles
        if troubles.all_down:
            break
    raise unreachable(settings, troubles.last) from failed


def refused(settings: KafkaSettings, reason: str) -> Fatal:
    """The error of a broker that does not take the user, whatever the mechanism."""
    who = f"user '{settings.kafka_user}'" if settings.kafka_user else "this process"
    advice = _CREDENTIALS.get(
        settings.kafka_security,
        "check SCRIBE_KAFKA_USER, SCRIBE_KAFKA_PASSWORD (or its _FILE) and SCRIBE_KAFKA_SECURITY",
    )
    return Fatal(f"Kafka refuses {who}: {reason}; {advice}")


def unreachable(settings: KafkaSettings, trouble: KafkaError | None) -> ScribeError:
    """The error of a client that gets no answer; `trouble` is what it met last."""
    if trouble is not None and trouble.code() == KafkaError._AUTHENTICATION:
        return refused(settings, trouble.str())
    if found := handshake_trouble(settings):
        return Outage(f"Kafka: {found}")
    silence = f"Kafka gives no answer within {sum(PATIENCE):g} s"
    said = f"Kafka does not answer: {trouble.str().rstrip(': ')} ({trouble.name()})" if trouble is not None else silence
    return Outage(f"{said}; is a broker at {settings.kafka_bootstrap}? See SCRIBE_KAFKA_BOOTSTRAP")


def handshake_trouble(settings: KafkaSettings) -> str | None:
    """The fault of TLS at the first broker that can be reached: librdkafka gives one reason for all."""
    for host, port in addresses(settings):
        try:
            plain = socket.create_connection((host, port), timeout=SECONDS)
        except OSError:
            continue
        with plain:
            return _handshake(settings, plain, host, f"{host}:{port}")
    return None


def addresses(settings: KafkaSettings) -> list[tuple[str, int]]:
    """The brokers of the settings."""
    parts = (part.strip().rpartition(":") for part in settings.kafka_bootstrap.split(","))
    return [(host.removeprefix("[").removesuffix("]"), int(port)) for host, _, port in parts]


def _handshake(settings: KafkaSettings, plain: socket.socket, host: str, where: str) -> str | None:
    wanted = settings.kafka_security != "none"
    context = tls_context(settings) if wanted else ssl.create_default_context()
    try:
        with context.wrap_socket(plain, server_hostname=host):
            speaks = True
    except ssl.SSLCertVerificationError as error:
        if wanted:
            return f"the certificate of {where} is not accepted: {error.verify_message}; {_advice(error.verify_code)}"
        speaks = True
    except OSError:  # those of TLS, too
        speaks = False
    if wanted == speaks:
        return None
    if speaks:
        return f"{where} wants TLS: set SCRIBE_KAFKA_SECURITY to tls, or to the mechanism of its users"
    return f"{where} does not speak TLS: give its port for TLS in SCRIBE_KAFKA_BOOTSTRAP, or SCRIBE_KAFKA_SECURITY=none"


def _advice(code: int) -> str:
    if code in (_EXPIRED, _NOT_YET):
        return "the broker needs a new one, or the clock of this machine is wrong"
    if code in _OTHER_NAMES:
        return "SCRIBE_KAFKA_BOOTSTRAP must call the broker by a name that is in it"
    return "SCRIBE_KAFKA_CA_FILE must hold the authority that it comes from"
