"""The operation that lists the models that jobs may name."""

from fastapi import APIRouter

from producers.api.jobs.views import ModelView, models
from producers.api.problems import problem_responses
from producers.api.requests.media_types import StrictRoute
from producers.api.services import Authenticated, ServicesDep

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
