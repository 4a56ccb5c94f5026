"""Links in the OpenAPI document: which operations take the id that an answer holds. Pure."""

from typing import Any

from producers.api.web.contract.walk import operations

_JOB = ("getJob", "deleteJob", "getTranscript", "getAudio", "getWaiting", "followJob")
_ENDPOINT = (
    *("getWebhookEndpoint", "changeWebhookEndpoint", "deleteWebhookEndpoint", "getWebhookSecret"),
    *("rotateWebhookSecret", "redeliverWebhooks"),
)
_DELIVERY = ("getWebhookDelivery", "redeliverWebhook")
FOLLOWING: dict[str, dict[str, tuple[str, ...]]] = {
    "transcribe": {"job_id": _JOB},
    "transcribeUpload": {"job_id": _JOB},
    "getJob": {"job_id": _JOB},
    "deleteJob": {"job_id": ("getJob", "getErasure")},
    "enhance": {"enhancement_id": ("getEnhancement",)},
    "registerWebhookEndpoint": {"endpoint_id": _ENDPOINT},
    "testWebhook": {"delivery_id": _DELIVERY, "endpoint_id": _ENDPOINT},
    "createKey": {"key_id": ("revokeKey",)},
}
"""For each operation the fields of its answer, and the operations that take one as their parameter of that name."""


def add_links(document: dict[str, Any]) -> None:
    """Add the links to every answer that is a success."""
    for _, operation in operations(document):
        for field, targets in FOLLOWING.get(operation["operationId"], {}).items():
            links = {target: _link(target, field) for target in targets}
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    answer.setdefault("links", {}).update(links)


def _link(target: str, field: str) -> dict[str, Any]:
    return {
        "operationId": target,
        "parameters": {field: f"$response.body#/{field}"},
        "description": f"The `{field}` of this answer is that of {target}.",
    }
