"""Settings of the service: name, type, default and meaning of each; the only readers of the environment.

Each class is one concern; a process loads those that it needs with `load`, which reports all mistakes at once.
"""

from schemas.settings.api import ApiSettings, ClientSettings, TenantSettings
from schemas.settings.base import variable_of
from schemas.settings.gpu import EcsSettings, GpuSettings, KubernetesSettings, ModelSettings
from schemas.settings.kafka import KafkaSecurity, KafkaSettings
from schemas.settings.loading import SETTINGS, load, unknown_variables, warn_of_unknown_variables
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from schemas.settings.processes import (
    ApiProcess,
    DispatchProcess,
    EnhanceProcess,
    FaustProcess,
    GpuProcess,
    KafkaAndObjects,
    PersistProcess,
    RelayProcess,
    ReplayProcess,
    RetentionProcess,
    StalledCommand,
    WebhooksProcess,
    WhyCommand,
)
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings, RetentionSettings, StallSettings
from schemas.settings.values import secret_of

__all__ = [
    "SETTINGS",
    "ApiProcess",
    "ApiSettings",
    "ClientSettings",
    "DispatchProcess",
    "EcsSettings",
    "EnhanceProcess",
    "EnhancedAiSettings",
    "FaustProcess",
    "GpuProcess",
    "GpuSettings",
    "KafkaAndObjects",
    "KafkaSecurity",
    "KafkaSettings",
    "KubernetesSettings",
    "ModelSettings",
    "ObjectStoreSettings",
    "OutboundSettings",
    "PersistProcess",
    "PostgresSettings",
    "RelayProcess",
    "ReplayProcess",
    "RetentionProcess",
    "RetentionSettings",
    "ServiceSettings",
    "StallSettings",
    "StalledCommand",
    "TenantSettings",
    "WebhooksProcess",
    "WhyCommand",
    "load",
    "secret_of",
    "unknown_variables",
    "variable_of",
    "warn_of_unknown_variables",
]
