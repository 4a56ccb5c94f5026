"""Names of spans and of their attributes: OpenTelemetry's conventions for messaging and HTTP (1.45), and ours.

Those of messaging are still in development there, so they stand in this one place.
"""

SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE = "service.instance.id"

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_PARTITION = "messaging.destination.partition.id"
MESSAGING_OFFSET = "messaging.kafka.offset"
MESSAGING_GROUP = "messaging.consumer.group.name"

HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
HTTP_RESENDS = "http.request.resend_count"

ERROR_TYPE = "error.type"

JOB_ID = "scribe.job_id"
TENANT = "scribe.tenant"
ATTEMPT = "scribe.attempt"
OUTCOME = "scribe.outcome"
STAGE = "scribe.stage"

Attributes = dict[str, str | int | float | bool]


def of_record(topic: str, partition: int, offset: int, group: str) -> Attributes:
    """A record that a group processes."""
    return {
        MESSAGING_SYSTEM: "kafka",
        MESSAGING_OPERATION: "process",
        MESSAGING_DESTINATION: topic,
        MESSAGING_PARTITION: str(partition),
        MESSAGING_OFFSET: offset,
        MESSAGING_GROUP: group,
    }


def of_published(topic: str) -> Attributes:
    """A record that is published."""
    return {MESSAGING_SYSTEM: "kafka", MESSAGING_OPERATION: "send", MESSAGING_DESTINATION: topic}


def error_type(error: Exception) -> str:
    """The type of an error by OpenTelemetry's convention: its code, else its class; never its words."""
    return str(getattr(error, "code", type(error).__name__))
