"""JSON schemas of the custom resources that the manifests use: exactly the fields that we set, all others are refused."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
WHOLE: Schema = {"type": "integer", "minimum": 0}
LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
NAME: Schema = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d|w|y))+$"}
NUMBER_TEXT: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
TRUTH_TEXT: Schema = {"enum": ["true", "false"]}


def words(*allowed: str) -> Schema:
    """One of several words."""
    return {"enum": list(allowed)}


def several(items: Schema) -> Schema:
    """A list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1}


def fields(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


METADATA = fields({"name": NAME, "namespace": NAME}, {"labels": LABELS, "annotations": LABELS})
POLICIES = several(fields({"type": words("Pods", "Percent"), "value": WHOLE, "periodSeconds": WHOLE}))
RULES = fields(
    {"policies": POLICIES},
    {"stabilizationWindowSeconds": WHOLE, "selectPolicy": words("Max", "Min", "Disabled")},
)
BY_PROMETHEUS = fields(
    {"serverAddress": {"type": "string", "pattern": "^https?://"}, "query": TEXT, "threshold": NUMBER_TEXT},
    {"activationThreshold": NUMBER_TEXT, "ignoreNullValues": TRUTH_TEXT},
)
BY_LAG = fields(
    {"bootstrapServers": TEXT, "consumerGroup": TEXT, "lagThreshold": NUMBER_TEXT},
    {
        "activationLagThreshold": NUMBER_TEXT,
        "offsetResetPolicy": words("earliest", "latest"),
        "excludePersistentLag": TRUTH_TEXT,
        "allowIdleConsumers": TRUTH_TEXT,
    },
)
TRIGGER: Schema = {
    "oneOf": [
        fields(
            {"type": words(kind), "metadata": metadata},
            {"metricType": words("AverageValue", "Value"), "authenticationRef": fields({"name": NAME})},
        )
        for kind, metadata in (("prometheus", BY_PROMETHEUS), ("kafka", BY_LAG))
    ]
}
SCALED_OBJECT = fields(
    {
        "scaleTargetRef": fields({"name": NAME}, {"apiVersion": TEXT, "kind": words("Deployment", "StatefulSet")}),
        "triggers": several(TRIGGER),
    },
    {
        "pollingInterval": WHOLE,
        "cooldownPeriod": WHOLE,
        "minReplicaCount": WHOLE,
        "maxReplicaCount": WHOLE,
        "fallback": fields(
            {"failureThreshold": WHOLE, "replicas": WHOLE},
            {"behavior": words("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower")},
        ),
        "advanced": fields(
            {"horizontalPodAutoscalerConfig": fields({"behavior": fields({}, {"scaleUp": RULES, "scaleDown": RULES})})}
        ),
    },
)
TRIGGER_AUTHENTICATION = fields({"secretTargetRef": several(fields({"parameter": TEXT, "name": NAME, "key": TEXT}))})
SELECTOR = fields(
    {"matchLabels": LABELS},
    {"matchExpressions": several(fields({"key": TEXT, "operator": words("In", "NotIn")}, {"values": several(TEXT)}))},
)
ENDPOINT = fields(
    {"port": TEXT, "path": {"type": "string", "pattern": "^/"}, "interval": DURATION, "scrapeTimeout": DURATION}
)
SERVICE_MONITOR = fields({"selector": SELECTOR, "endpoints": several(ENDPOINT)}, {"jobLabel": TEXT})
POD_MONITOR = fields({"selector": SELECTOR, "podMetricsEndpoints": several(ENDPOINT)}, {"jobLabel": TEXT})
RULE: Schema = {
    "oneOf": [
        fields({"record": TEXT, "expr": TEXT}, {"labels": LABELS}),
        fields(
            {"alert": TEXT, "expr": TEXT, "labels": LABELS, "annotations": LABELS},
            {"for": DURATION, "keep_firing_for": DURATION},
        ),
    ]
}
PROMETHEUS_RULE = fields(
    {"groups": {"type": "array", "items": fields({"name": TEXT, "rules": several(RULE)}, {"interval": DURATION})}}
)
EXTERNAL_SECRET = fields(
    {
        "secretStoreRef": fields({"kind": words("SecretStore", "ClusterSecretStore"), "name": NAME}),
        "target": fields(
            {"name": NAME},
            {"creationPolicy": words("Owner", "Orphan", "Merge"), "deletionPolicy": words("Retain", "Delete", "Merge")},
        ),
        "data": several(fields({"secretKey": TEXT, "remoteRef": fields({"key": TEXT}, {"property": TEXT})})),
    },
    {"refreshInterval": DURATION},
)
SECRET_STORE = fields(
    {
        "provider": {
            "oneOf": [
                fields({"aws": fields({"service": words("SecretsManager"), "region": TEXT})}),
                fields({"gcpsm": fields({"projectID": TEXT})}),
            ]
        }
    }
)

_KINDS: Sequence[tuple[str, str, Schema]] = (
    ("keda.sh/v1alpha1", "ScaledObject", SCALED_OBJECT),
    ("keda.sh/v1alpha1", "TriggerAuthentication", TRIGGER_AUTHENTICATION),
    ("monitoring.coreos.com/v1", "ServiceMonitor", SERVICE_MONITOR),
    ("monitoring.coreos.com/v1", "PodMonitor", POD_MONITOR),
    ("monitoring.coreos.com/v1", "PrometheusRule", PROMETHEUS_RULE),
    ("external-secrets.io/v1", "ExternalSecret", EXTERNAL_SECRET),
    ("external-secrets.io/v1", "SecretStore", SECRET_STORE),
)
SCHEMAS: Mapping[str, Schema] = {
    f"{version}/{kind}": fields({"apiVersion": words(version), "kind": words(kind), "metadata": METADATA, "spec": spec})
    for version, kind, spec in _KINDS
}
"""The schema of each custom resource, by `apiVersion/kind`."""
