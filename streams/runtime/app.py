"""Settings shared by all Faust apps of the service, each with its reason."""

from pathlib import Path
from typing import Any

import faust
import mode

from schemas.settings.kafka import KafkaSettings
from streams.kafka.credentials import credentials_of
from streams.kafka.transport import ScribeApp, check_version

REBALANCE_SECONDS = 120.0
NEVER_SECONDS = 30 * 86_400.0  # longer than any record is kept


class RawSchema(faust.Schema[bytes, bytes]):
    """Schema that decodes nothing, since Faust drops records that its schema cannot read; EventLoop decodes messages.

    The message is not passed on as it came, either: an agent that waits for its next event keeps the last key and
    value.
    """

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """Return None for every key."""
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """Return None for every value."""
        return None


def create_app(
    group: str, kafka: KafkaSettings, datadir: Path, *, instance_id: str | None = None, **overrides: Any
) -> ScribeApp:
    """A Faust app that consumes as `group`; `datadir` is created if necessary, its tables are not used.

    `overrides` are Faust settings, for tests. Raises SettingsError for files of TLS that are of no use.
    """
    check_version()
    datadir.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "broker": [f"kafka://{part.strip()}" for part in kafka.kafka_bootstrap.split(",")],
        "broker_credentials": credentials_of(kafka),
        "datadir": str(datadir),
        # what a crash repeats is at most a second or a hundred records
        "broker_commit_interval": 1.0,
        "broker_commit_every": 100,
        "broker_session_timeout": 45.0,
        "broker_heartbeat_interval": 5.0,
        "broker_request_timeout": 60.0,  # Faust wants it at least as long as the session timeout
        # Records that wait for an outage to end fill the buffers and stop the polls. A member that leaves for that never
        # comes back: aiokafka waits for a poll before it joins, Faust for the assignment before it polls. Whether
        # the process is beyond help is the watchdog's to say.
        "broker_max_poll_interval": NEVER_SECONDS,
        # a batch of tiny records is a hundred thousand of them, and all that is asked for at once is in memory
        "broker_max_poll_records": 500,
        "broker_rebalance_timeout": REBALANCE_SECONDS,  # an eager rebalance waits for handlers
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": instance_id,
        # buffered records are thrown away and fetched again at each rebalance
        "stream_buffer_maxsize": 64,
        "stream_wait_empty": True,
        "stream_processing_timeout": REBALANCE_SECONDS,
        # what still escapes `EventLoop` ends the worker with its record un-acked
        "agent_supervisor": mode.CrashingSupervisor,
        # without standby replicas Faust leaves the assignment to aiokafka
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "producer_request_timeout": 30.0,
        "producer_max_request_size": 1_040_000,  # a little below what brokers take
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }
    return ScribeApp(group, **settings | overrides)
