"""The schemas of the topics in the shape of Confluent's schema registry, so that Kafka's tools decode our records.

Read only, and without a key: the schemas are no secret, and these tools know no keys of ours. Of the registry that the
service is set to it shows those of the topics alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio.to_thread
from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from producers.api.services import Services, ServicesDep
from producers.api.web.contract.registry_errors import (
    MEDIA_TYPE,
    PREFIX,
    SCHEMA,
    SUBJECT,
    VERSION,
    WRONG_VERSION,
    RegistryRefusal,
    registry_responses,
)
from schemas.wire.catalog import COMPATIBILITY, SchemaCatalog, SchemaVersion, subjects
from schemas.wire.serde import MAX_SCHEMA_ID

T = TypeVar("T")
LATEST = ("latest", "-1")
_MOST_DIGITS = 9


class RegistryAnswer(JSONResponse):
    """An answer of the media type that the registry's clients ask for."""

    media_type = MEDIA_TYPE


class RegisteredSchema(BaseModel):
    """A version of a subject."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    subject: str = Field(examples=["scribe.results-value"])
    version: int
    id: int = Field(examples=[14], description="The id that records carry behind their first byte.")
    text: str = Field(alias="schema", description="The Avro schema as JSON.", examples=['{"type":"record","name":"…"}'])


class SchemaText(BaseModel):
    """A schema alone."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    text: str = Field(alias="schema", description="The Avro schema as JSON.", examples=['{"type":"record","name":"…"}'])


class SubjectVersion(BaseModel):
    """A place where a schema is used."""

    subject: str = Field(examples=["scribe.results-value"])
    version: int


class CompatibilityLevel(BaseModel):
    """The demand on each new version of a subject."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    level: str = Field(alias="compatibilityLevel", examples=[COMPATIBILITY])


class RegistryMode(BaseModel):
    """Whether schemas can be registered here."""

    mode: str = Field(examples=["READONLY"])


SubjectName = Annotated[str, Field(examples=["scribe.results-value"])]
SchemaType = Annotated[str, Field(examples=["AVRO"])]
Subject = Annotated[str, Path(description="A topic and `-value`.", examples=["scribe.results-value"])]
Version = Annotated[str, Path(description="A number from 1, or `latest`.", examples=["latest"])]
SchemaId = Annotated[int, Path(ge=1, le=MAX_SCHEMA_ID, description="The id in a record.", examples=[14])]
router = APIRouter(prefix=PREFIX, tags=["schemas"], default_response_class=RegistryAnswer)


@router.get("/subjects", operation_id="listSubjects", summary="All subjects", responses=registry_responses())
async def list_subjects() -> list[SubjectName]:
    """A subject for the values of each topic that has events. Retries and dead letters hold those of any, by their ids."""
    return sorted(subjects())


@router.get(
    "/subjects/{subject}/versions",
    operation_id="listSubjectVersions",
    summary="The versions of a subject",
    responses=registry_responses(SUBJECT),
)
async def list_versions(subject: Subject, services: ServicesDep) -> list[int]:
    """The numbers, the oldest first."""
    return [each.version for each in await _versions(services, subject)]


@router.get(
    "/subjects/{subject}/versions/{version}",
    operation_id="getSubjectVersion",
    summary="A version of a subject",
    responses=registry_responses(VERSION, WRONG_VERSION),
)
async def read_version(subject: Subject, version: Version, services: ServicesDep) -> RegisteredSchema:
    """The schema with its id."""
    known = await _versions(services, subject)
    if version in LATEST:
        return _registered(known[-1])
    if not (version.isascii() and version.isdigit() and len(version) <= _MOST_DIGITS and int(version)):
        raise RegistryRefusal(WRONG_VERSION, f"The specified version '{version}' is not a valid version id.")
    for each in known:
        if each.version == int(version):
            return _registered(each)
    raise RegistryRefusal(VERSION, f"Version {version} not found.")


@router.get(
    "/schemas/ids/{schema_id}",
    operation_id="getSchema",
    summary="The schema of an id",
    responses=registry_responses(SCHEMA, WRONG_VERSION),
)
async def read_schema(schema_id: SchemaId, services: ServicesDep) -> SchemaText:
    """The schema by which a record was written: a deserializer asks for it with the id that it finds in the record."""
    text = await _found(services, services.catalog.text_of, schema_id)
    if text is None:
        raise _unknown(schema_id)
    return SchemaText(text=text)


@router.get(
    "/schemas/ids/{schema_id}/versions",
    operation_id="listSchemaVersions",
    summary="Where a schema is used",
    responses=registry_responses(SCHEMA, WRONG_VERSION),
)
async def list_schema_versions(schema_id: SchemaId, services: ServicesDep) -> list[SubjectVersion]:
    """The subjects that have it, each with the number of its version."""
    used = await _found(services, partial(_uses, services.catalog), schema_id)
    if not used:
        raise _unknown(schema_id)
    return [SubjectVersion(subject=each.subject, version=each.version) for each in used]


@router.get(
    "/schemas/types", operation_id="listSchemaTypes", summary="Kinds of schemas", responses=registry_responses()
)
async def list_types() -> list[SchemaType]:
    """Avro alone."""
    return ["AVRO"]


@router.get("/config", operation_id="getCompatibility", summary="Compatibility", responses=registry_responses())
async def read_config() -> CompatibilityLevel:
    """Old records stay readable, and old readers go on reading, through all versions."""
    return CompatibilityLevel(level=COMPATIBILITY)


@router.get(
    "/config/{subject}",
    operation_id="getSubjectCompatibility",
    summary="Compatibility of a subject",
    responses=registry_responses(SUBJECT),
)
async def read_subject_config(subject: Subject, services: ServicesDep) -> CompatibilityLevel:
    """The same for every subject."""
    await _versions(services, subject)
    return CompatibilityLevel(level=COMPATIBILITY)


@router.get("/mode", operation_id="getRegistryMode", summary="Mode", responses=registry_responses())
async def read_mode() -> RegistryMode:
    """Nothing is registered here: schemas come with the service, or from the registry that it is set to."""
    return RegistryMode(mode="READONLY")


async def _versions(services: Services, subject: str) -> list[SchemaVersion]:
    """The versions of a subject; raises RegistryRefusal for one without any."""
    if found := await _found(services, services.catalog.versions, subject):
        return found
    raise RegistryRefusal(SUBJECT, f"Subject '{subject}' not found.")


def _uses(catalog: SchemaCatalog, schema_id: int) -> list[SchemaVersion]:
    found = (each for subject in subjects() for each in catalog.versions(subject))
    return [each for each in found if each.schema_id == schema_id]


async def _found(services: Services, ask: Callable[[Any], T], what: Any) -> T:
    # a registry is asked over the network
    return await anyio.to_thread.run_sync(ask, what, limiter=services.catalog_threads)


def _registered(each: SchemaVersion) -> RegisteredSchema:
    return RegisteredSchema(subject=each.subject, version=each.version, id=each.schema_id, text=each.text)


def _unknown(schema_id: int) -> RegistryRefusal:
    return RegistryRefusal(SCHEMA, f"Schema {schema_id} not found.")
