"""Serde and catalog chosen by the settings: ids from a schema registry, or from the schemas shipped with this version."""

from schemas.settings.kafka import KafkaSettings
from schemas.wire.catalog import ManifestCatalog, SchemaCatalog
from schemas.wire.serde import Serde


def serde_for(settings: KafkaSettings) -> Serde:
    """Events to bytes and back."""
    if not (url := settings.schema_registry_url):
        return Serde()
    # here, because it takes a fifth of the time in which a process starts
    from sink.records.schema_registry import RegistryStore

    return Serde(RegistryStore(url))


def catalog_for(settings: KafkaSettings) -> SchemaCatalog:
    """The schemas under the ids that records have."""
    if not (url := settings.schema_registry_url):
        return ManifestCatalog()
    from sink.records.schema_registry import RegistryCatalog

    return RegistryCatalog(url)
