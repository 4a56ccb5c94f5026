"""Admission of new jobs: refused while they would wait longer than the operator allows, so that their submitters hear of it."""

import math

from producers.api.problems import RetryLater
from producers.api.services import Services
from schemas.events import JobRequested
from schemas.wire.serde import to_json
from sink.jobs.unfinished.backlog import PendingJob


class QueueTooLong(RetryLater):
    """Error: a new job would wait longer than the operator allows."""

    def __init__(self, wait: float, most: float) -> None:
        super().__init__("queue_too_long", f"about {math.ceil(wait)} s, more than {most:g}", wait - most)


async def check_wait(services: Services, request: JobRequested) -> None:
    """Raise QueueTooLong when a job would probably wait longer than it may; where nobody knows, it is taken."""
    most = services.most_wait_seconds
    if most is None or (forecast := await services.forecasts.current(services.database)) is None:
        return
    job = PendingJob.of_request(request.job_id, request.tenant, to_json(request), request.requested_at)
    if (wait := forecast.least_wait(job)) > most:
        raise QueueTooLong(wait, most)


async def check_shortest_wait(services: Services, tenant: str, *, express: bool) -> None:
    """Raise QueueTooLong when any new job of a tenant would wait longer than it may."""
    most = services.most_wait_seconds
    if most is None or (forecast := await services.forecasts.current(services.database)) is None:
        return
    if (wait := forecast.shortest_wait(tenant, express=express)) > most:
        raise QueueTooLong(wait, most)
