"""Presigned uploads over REST: the file goes straight to the object store, where its address is known to clients."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import anyio.to_thread
from fastapi import APIRouter
from pydantic import ConfigDict, Field

from producers.api.jobs.bodies import Body, PriorityName
from producers.api.jobs.uploads.pieces import ROOM_CODES, announced
from producers.api.jobs.uploads.views import PresignedView, view
from producers.api.problems import problem_responses
from producers.api.requests.idempotency import IdempotencyKey, id_of
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.services import KeyDep, ServicesDep
from schemas.errors import Rejected
from schemas.events import Priority
from schemas.requests.recording_names import safe_name
from schemas.wire.object_keys import upload_key
from sink.jobs.intake.uploads import NewUpload

PRESIGNED = "presigned upload"
"""What an Idempotency-Key of a presigned upload makes."""
SIGNED_SECONDS = 3600
MAX_NAME_CHARS = 1024

router = APIRouter(prefix="/api/v1", tags=["uploads"], route_class=StrictRoute)


class PresignBody(Body):
    """A file that is to be sent to the object store."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size_bytes": 1048576, "name": "call-17.opus"}]})

    size_bytes: int = Field(ge=1, lt=10**15, description="Of the whole file: no other size is taken.")
    name: str | None = Field(None, max_length=MAX_NAME_CHARS, description="What the file is called.")
    priority: PriorityName = Field(Priority.STANDARD, description="Of the job that is to be made of it.")


@router.post(
    "/presigned-uploads",
    operation_id="presignUpload",
    summary="Get an address of the object store for a file",
    status_code=201,
    responses=problem_responses(
        *("invalid_request", "unauthorized", "not_offered", "idempotency_key_reused"), *BODY_CODES, *ROOM_CODES
    ),
)
async def presign_upload(
    body: PresignBody, services: ServicesDep, key: KeyDep, idempotency_key: IdempotencyKey
) -> PresignedView:
    """PUT the file there, then make a job of it by POST /api/v1/transcribe with its `upload_id`.

    Offered where the operator has set SCRIBE_S3_PUBLIC_ENDPOINT. A file that breaks off is sent again as a whole.
    """
    if (store := services.public_store) is None:
        raise Rejected("not_offered", "presigned uploads need SCRIBE_S3_PUBLIC_ENDPOINT; uploads in pieces do not")
    upload = NewUpload(
        upload_id=uuid4() if idempotency_key is None else id_of(key.tenant, PRESIGNED, idempotency_key),
        tenant=key.tenant,
        name=safe_name(body.name) if body.name else None,
        metadata=None,
        size_bytes=body.size_bytes,
        is_presigned=True,
    )
    created = await announced(services, upload, express=body.priority is Priority.EXPRESS)
    seconds = max(1, min(SIGNED_SECONDS, int((created.expires_at - services.now()).total_seconds())))
    sign = partial(store.presign_put, upload_key(key.tenant, created.upload_id), seconds, created.size_bytes)
    url, headers = await anyio.to_thread.run_sync(sign)
    return PresignedView(
        upload=view(created),
        method="PUT",
        url=url,
        headers=headers,
        url_expires_at=services.now() + timedelta(seconds=seconds),
    )
