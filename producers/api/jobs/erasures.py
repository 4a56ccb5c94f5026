"""Cancelling and erasing jobs, and reading the evidence of erasures."""

import logging
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from producers.api.jobs.views import POLL_SECONDS, JobSummary, job_path, summary
from producers.api.problems import problem_responses
from producers.api.requests.ids import JobId
from producers.api.requests.media_types import StrictRoute
from producers.api.requests.query import Flag
from producers.api.services import KeyDep, Services, ServicesDep
from producers.jobs.cancelling import cancel_record
from schemas.errors import Rejected
from schemas.process.failpoints import failpoint
from schemas.vocabulary.job_states import ENDED
from schemas.wire.records import Record
from sink.jobs import outbox, queries
from sink.jobs.cancelling import cancel
from sink.jobs.queries import JobRow
from sink.postgres.database import Connection
from sink.retention.erasure import Erasure, erase, find_erasure
from sink.tenants.api_keys import ApiKey

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=StrictRoute)


class ErasureView(BaseModel):
    """The deleted data of a job, and the time after which no copy of it is left."""

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
    summary="Stop a job, or erase it with all that is kept of it",
    status_code=202,
    responses={
        200: {"model": JobSummary, "description": "It has ended already, and stays as it is."},
        **problem_responses("invalid_request", "unauthorized", "not_found", "held"),
    },
)
async def delete_job(
    job_id: JobId,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    erase_all: Annotated[
        Flag, Query(alias="erase", description="Erase it, ended or not; what still comes of it is dropped.")
    ] = False,
) -> ErasureView | JobSummary:
    """A job that waits is not begun, one that runs stops within seconds; both end as `cancelled`.

    It does not matter whether any GPU process is up. Asked again it answers the same.
    """
    async with services.database.as_tenant(key.tenant) as connection:
        job = await queries.find(connection, job_id, key.tenant)
    order = None if job is None or job.state in ENDED else await _order(services, job, key.key_id)
    if erase_all:
        response.headers["Location"] = f"/api/v1/erasures/{job_id}"
        erasure = await _erase(services, key, job_id, order)
        # outside of the database too: a backup that is restored does not know of it
        log.info("erased", extra={"job_id": str(job_id), "tenant": key.tenant})
        return view(erasure)
    if job is None:
        raise Rejected("not_found", f"job {job_id}")
    response.headers["Location"] = job_path(job_id)
    return await _cancel(services, job, order, response)


async def _order(services: Services, job: JobRow, requested_by: str) -> Record:
    make = partial(
        cancel_record, services.serde, job.job_id, job.run, job.tenant, requested_by=requested_by, source="api"
    )
    # the first encoding may ask a schema registry for its ids
    return await anyio.to_thread.run_sync(partial(make, now=services.now()))


async def _cancel(services: Services, job: JobRow, order: Record | None, response: Response) -> JobSummary:
    if order is not None:
        await services.database.run(
            lambda connection: cancel(connection, job.tenant, job.job_id, job.run, order, services.now())
        )
        failpoint("api.after_cancel")
        async with services.database.as_tenant(job.tenant) as connection:
            job = await queries.find(connection, job.job_id, job.tenant) or job
    if job.state in ENDED:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = str(POLL_SECONDS)
    return summary(job)


async def _erase(services: Services, key: ApiKey, job_id: UUID, order: Record | None) -> Erasure:
    """Erase a job and order its workers to stop; the order is written last, since other records are deleted."""

    async def step(connection: Connection) -> Erasure:
        erasure = await erase(connection, key.tenant, job_id, key.key_id, services.now())
        if order is not None:
            await outbox.add(connection, order)
        return erasure

    return await services.database.run(step)


@router.get(
    "/erasures/{job_id}",
    operation_id="getErasure",
    summary="The evidence of an erasure",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_erasure(job_id: JobId, services: ServicesDep, key: KeyDep) -> ErasureView:
    """The evidence of an erasure, which is kept longer than the erased data."""
    async with services.database.as_tenant(key.tenant) as connection:
        erasure = await find_erasure(connection, key.tenant, job_id)
    if erasure is None:
        raise Rejected("not_found", f"an erasure of job {job_id}")
    return view(erasure)


def view(erasure: Erasure) -> ErasureView:
    """An erasure in the form for clients."""
    return ErasureView(**{name: getattr(erasure, name) for name in ErasureView.model_fields})
