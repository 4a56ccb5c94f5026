"""All settings, concern by concern."""

from schemas.settings.api import ApiSettings, ClientSettings, TenantSettings
from schemas.settings.base import Settings
from schemas.settings.gpu import EcsSettings, GpuSettings, KubernetesSettings, ModelSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings, RetentionSettings, StallSettings

SETTINGS: tuple[type[Settings], ...] = (
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    RetentionSettings,
    StallSettings,
    OutboundSettings,
    EnhancedAiSettings,
    ApiSettings,
    ClientSettings,
    ModelSettings,
    TenantSettings,
    GpuSettings,
    EcsSettings,
    KubernetesSettings,
)
"""Every concern."""
