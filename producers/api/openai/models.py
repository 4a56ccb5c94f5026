"""The operations that list the models in OpenAI's shape."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.convertors import Convertor, register_url_convertor

from producers.api.openai.authentication import Authenticated
from producers.api.openai.errors import PREFIX, error_responses
from producers.api.openai.forms import ALIAS
from producers.api.services import ServicesDep
from schemas.errors import Rejected
from schemas.models.registry import ModelRegistry, known_as

OWNER = "scribe-rabbit"


class _ModelName(Convertor[str]):
    """A name in an address, which has slashes that some clients send as they are, but neither first nor last."""

    regex = "[^/]+(?:/[^/]+)*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("model_name", _ModelName())
router = APIRouter(prefix=PREFIX, tags=["openai"], dependencies=[Authenticated])


ModelName = Annotated[str, Path(description="The name of a model, as the list has it.", examples=[ALIAS])]


class OpenAIModel(BaseModel):
    """A model that a transcription may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(0, description="Always 0: registries of models say nothing of it.")
    owned_by: str = OWNER


class OpenAIModels(BaseModel):
    """A list of all models."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


@router.get(
    "/models",
    operation_id="listOpenAIModels",
    summary="The models that a transcription may name",
    responses=error_responses("unauthorized"),
)
async def list_models(services: ServicesDep) -> OpenAIModels:
    """The models of GET /api/v1/models, and `whisper-1`, which stands for the default one."""
    return OpenAIModels(data=[OpenAIModel(id=name) for name in _names(services.registry)])


@router.get(
    "/models/{model:model_name}",
    operation_id="getOpenAIModel",
    summary="One of them",
    responses=error_responses("unauthorized", "unknown_model"),
)
async def read_model(model: ModelName, services: ServicesDep) -> OpenAIModel:
    """A model by its name, in which slashes may stand as they are."""
    if model not in (known := _names(services.registry)):
        raise Rejected("unknown_model", known_as(model, known))
    return OpenAIModel(id=model)


def _names(registry: ModelRegistry) -> list[str]:
    return sorted({ALIAS, *registry.names()}, key=lambda name: (name != ALIAS, name))
