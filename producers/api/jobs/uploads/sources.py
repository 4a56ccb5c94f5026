"""The recording that a body names: one at an address, or an upload that has come whole."""

from uuid import UUID

from producers.api.jobs.bodies import TranscribeBody
from producers.api.jobs.uploads.finishing import uploaded_source
from producers.api.services import Services
from producers.inputs.validation_errors import refused
from schemas.errors import Rejected
from schemas.events import Source


async def source_in(body: TranscribeBody, services: Services, tenant: str, job_id: UUID | None) -> Source:
    """The recording of a body whose job gets this id, if one is known; raises Rejected."""
    if body.url is not None and body.upload_id is not None:
        raise _wrong("goes without upload_id: send one of the two")
    if body.upload_id is not None:
        return await uploaded_source(services, tenant, body.upload_id, job_id)
    if body.url is None:
        raise _wrong("is missing; an upload in pieces is named by upload_id instead")
    return Source(uri=body.url)


def _wrong(message: str) -> Rejected:
    return refused([(("body", "url"), message)])
