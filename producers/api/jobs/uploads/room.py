"""Room for a new job, looked at before its recording is received: what would be refused then is refused now."""

from uuid import UUID

from producers.api.jobs.admission import check_shortest_wait
from producers.api.jobs.operations import policy_in_force
from producers.api.services import Services
from schemas.errors import Rejected
from schemas.tenants.quotas import MOST_QUEUED
from sink.jobs import queries


async def check_room(services: Services, tenant: str, *, express: bool = False, job_id: UUID | None = None) -> None:
    """Raise what a new job of the tenant would be refused for, whatever it is; nothing when there is that job already.

    Raises NotAllowed(unknown_tenant), Rejected(quota_exceeded), QueueTooLong. A job may be refused all the same later.
    """
    policy = await policy_in_force(services, tenant)
    most = policy.quotas.get(MOST_QUEUED)
    async with services.database.as_tenant(tenant) as connection:
        if job_id is not None and await queries.find(connection, job_id, tenant) is not None:
            return
        if most is not None and await queries.has_waiting(connection, tenant, most):
            raise Rejected("quota_exceeded", f"at most {most}")
    await check_shortest_wait(services, tenant, express=express)
