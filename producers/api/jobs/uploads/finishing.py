"""The recording that an upload has become: looked at when a job is to be made of it."""

from functools import partial
from uuid import UUID

import anyio.to_thread

from producers.api.services import Services
from producers.jobs.submit import UPLOAD_SCHEME
from schemas.errors import Outage, Rejected
from schemas.events import Source
from schemas.ports import ObjectNotFound
from schemas.wire.object_keys import upload_key
from sink.jobs import queries
from sink.jobs.intake import uploads
from sink.jobs.intake.uploads import UploadRow

CODES = ("not_found", "upload_incomplete", "upload_expired")  # what an operation may answer for it


async def uploaded_source(services: Services, tenant: str, upload_id: UUID, job_id: UUID | None) -> Source:
    """The recording of an upload of the tenant, whole in the store; raises Rejected.

    A job that has it already, as when its request is sent again, tells of it longer than the upload is known.
    """
    async with services.database.as_tenant(tenant) as connection:
        job = await queries.find(connection, job_id, tenant) if job_id else None
        upload = await uploads.find(connection, tenant, upload_id)
    uri = f"{UPLOAD_SCHEME}{upload_id}"
    if job is not None and job.request["source"]["uri"] == uri:
        return Source(**job.request["source"])
    if upload is None:
        raise Rejected("not_found", f"upload {upload_id}")
    if upload.is_expired:
        raise Rejected("upload_expired", f"at {upload.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    await _make_whole(services, upload)
    return Source(uri=uri, size_bytes=upload.size_bytes, name=upload.name)


async def _make_whole(services: Services, upload: UploadRow) -> None:
    """Have the store make the object of its parts, unless that was done, and check that it is as it was announced."""
    if not upload.is_presigned and not upload.is_received:
        raise Rejected("upload_incomplete", f"{upload.received_bytes} of {upload.size_bytes} bytes have come")
    await anyio.to_thread.run_sync(partial(_finish, services, upload), limiter=services.upload_threads)
    async with services.database.as_tenant(upload.tenant, writing=True) as connection:
        is_there = await uploads.complete(connection, upload)
    if not is_there:
        raise Rejected("not_found", f"upload {upload.upload_id}")


def _finish(services: Services, upload: UploadRow) -> None:
    store, key = services.store, upload_key(upload.tenant, upload.upload_id)
    if upload.parts_id is not None and upload.completed_at is None:
        try:
            store.finish_parts(key, upload.parts_id, list(zip(upload.part_numbers, upload.part_tags, strict=True)))
        except ObjectNotFound:  # another request did, or is about to
            if store.info(key) is None:
                raise Outage(f"upload {upload.upload_id} is being finished") from None
    found = store.info(key)
    if found is None:
        raise Rejected("upload_incomplete" if upload.completed_at is None else "not_found", "nothing has come")
    if found.size_bytes != upload.size_bytes:
        raise Rejected(
            "upload_incomplete", f"{found.size_bytes} bytes have come, and {upload.size_bytes} were announced"
        )
