"""Settings of each process and command: all that it reads, and nothing more."""

from schemas.settings.api import ApiSettings, TenantSettings
from schemas.settings.gpu import EcsSettings, GpuSettings, KubernetesSettings, ModelSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings, RetentionSettings, StallSettings


class RelayProcess(ServiceSettings, KafkaSettings, PostgresSettings, RetentionSettings):
    """All that `scribe-relay` reads."""


class KafkaAndObjects(KafkaSettings, ObjectStoreSettings):
    """All that `scribe submit --via kafka` and `scribe topics` read."""


class ReplayProcess(KafkaSettings, PostgresSettings, ObjectStoreSettings, ModelSettings):
    """All that `scribe dlq` and `scribe replay` read."""


class ApiProcess(
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    OutboundSettings,
    EnhancedAiSettings,
    ApiSettings,
    ModelSettings,
    TenantSettings,
):
    """All that `scribe-api` reads."""


class GpuProcess(
    ServiceSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OutboundSettings,
    ModelSettings,
    TenantSettings,
    GpuSettings,
    EcsSettings,
    KubernetesSettings,
):
    """All that `scribe-gpu` reads."""


class FaustProcess(ServiceSettings, KafkaSettings, PostgresSettings):
    """Settings that every process of an agent reads."""


class PersistProcess(FaustProcess, ObjectStoreSettings):
    """All that `scribe-streams persist` reads."""


class WebhooksProcess(FaustProcess, OutboundSettings, ApiSettings):
    """All that `scribe-streams webhooks` reads."""


class RetentionProcess(ServiceSettings, PostgresSettings, ObjectStoreSettings, RetentionSettings, StallSettings):
    """All that `scribe-streams retention` reads."""


class WhyCommand(KafkaSettings, PostgresSettings):
    """All that `scribe why --direct` reads."""


class StalledCommand(KafkaSettings, PostgresSettings, StallSettings):
    """All that `scribe database stalled` reads."""


class EnhanceProcess(FaustProcess):
    """All that `scribe-streams enhance` reads."""


class DispatchProcess(ServiceSettings, KafkaSettings, PostgresSettings, OutboundSettings, EnhancedAiSettings):
    """All that `scribe-streams dispatch` reads."""
