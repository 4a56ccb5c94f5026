"""The order that cancels a job, as a record of the control topic."""

from datetime import datetime
from uuid import UUID

from schemas.events import JobControl
from schemas.topics import CONTROL
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde


def cancel_record(
    serde: Serde,
    job_id: UUID,
    run: int,
    tenant: str,
    *,
    requested_by: str,
    source: str,
    now: datetime,
    topic: str = CONTROL,
) -> Record:
    """The order as a record; `requested_by` is a key's id or an operator's name, `source` the process that writes it."""
    order = JobControl(job_id=job_id, run=run, tenant=tenant, by=requested_by, at=now)
    return record_of(serde, topic, order, source, now)
