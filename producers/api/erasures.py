"""Erasing jobs, and the evidence of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from producers.api.problems import problem_responses
from producers.api.services import KeyDep, ServicesDep
from schemas.errors import Rejected
from sink.erasure import Erasure, erase, find_erasure

router = APIRouter(prefix="/api/v1", tags=["jobs"])


class ErasureView(BaseModel):
    """What was deleted of a job, and when the last copy of it is gone."""

    job_id: UUID
    asked_by: str = Field(description="The id of the key, or the operator's name.")
    asked_at: datetime
    done_at: datetime | None = Field(description="When its objects were gone; its rows are gone with the answer.")
    rows: dict[str, int] = Field(description="How many were deleted, by table.")
    objects: int = Field(description="How many were deleted, those too that were written afterwards.")
    last_copy_expires_at: datetime = Field(description="No Kafka topic holds a record of the job after this time.")


@router.delete(
    "/jobs/{job_id}",
    operation_id="deleteJob",
    summary="Erase a job with all that is kept of it",
    status_code=202,
    responses=problem_responses("invalid_request", "unauthorized", "not_found", "held"),
)
async def delete_job(
    job_id: UUID,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    erase_all: Annotated[bool, Query(alias="erase", description="Must be true.")] = False,
) -> ErasureView:
    """Whether it has ended or not: what still comes of a running job is dropped. Asked again it answers the same."""
    if not erase_all:
        found = {"field": "erase", "message": "must be true: cancelling without erasing is not there yet"}
        raise Rejected("invalid_request", f"erase: {found['message']}", (found,))
    asked_by, now = key.key_id, services.now()
    erasure = await services.database.run(lambda connection: erase(connection, key.tenant, job_id, asked_by, now))
    response.headers["Location"] = f"/api/v1/erasures/{job_id}"
    return view(erasure)


@router.get(
    "/erasures/{job_id}",
    operation_id="getErasure",
    summary="The evidence of an erasure",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_erasure(job_id: UUID, services: ServicesDep, key: KeyDep) -> ErasureView:
    """It outlives what it tells of."""
    async with services.database.as_tenant(key.tenant) as connection:
        erasure = await find_erasure(connection, key.tenant, job_id)
    if erasure is None:
        raise Rejected("not_found", f"an erasure of job {job_id}")
    return view(erasure)


def view(erasure: Erasure) -> ErasureView:
    """As clients read it."""
    return ErasureView(**{name: getattr(erasure, name) for name in ErasureView.model_fields})
