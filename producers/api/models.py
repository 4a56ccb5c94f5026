"""The models that jobs may name."""

from fastapi import APIRouter

from producers.api.media_types import StrictRoute
from producers.api.problems import problem_responses
from producers.api.services import Authenticated, ServicesDep
from producers.api.views import ModelView, models

router = APIRouter(prefix="/api/v1", tags=["models"], route_class=StrictRoute)


@router.get(
    "/models",
    operation_id="listModels",
    summary="The models that jobs may name",
    responses=problem_responses("invalid_request", "unauthorized"),
    dependencies=[Authenticated],
)
async def list_models(services: ServicesDep) -> list[ModelView]:
    """The default one comes first."""
    return models(services.registry)
