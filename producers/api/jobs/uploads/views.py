"""Views of uploads for clients."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from producers.api.jobs.uploads.tus import EXPIRES, LENGTH, METADATA, OFFSET, PATH, expires
from sink.jobs.intake.uploads import UploadRow


class UploadView(BaseModel):
    """An upload and how much of it has come."""

    upload_id: UUID = Field(description="POST /api/v1/transcribe takes it in place of `url`.")
    name: str | None = Field(description="What the file is called.")
    size_bytes: int
    received_bytes: int = Field(description="Of a presigned one nothing is known until a job is made of it.")
    expires_at: datetime = Field(description="When it is deleted, unless a job was made of it.")
    links: dict[str, str]


class PresignedView(BaseModel):
    """A presigned upload: the file goes by PUT to `url`, with `headers`, and nothing else."""

    upload: UploadView
    method: str = Field(examples=["PUT"])
    url: str = Field(description="An address of the object store. Whoever has it may write this file, once.")
    headers: dict[str, str] = Field(description="Headers to send with it, beside the Content-Length of the file.")
    url_expires_at: datetime = Field(description="Until when the PUT must have begun.")


def view(upload: UploadRow) -> UploadView:
    """An upload for its client."""
    return UploadView(
        upload_id=upload.upload_id,
        name=upload.name,
        size_bytes=upload.size_bytes,
        received_bytes=upload.received_bytes,
        expires_at=upload.expires_at,
        links={"self": path(upload.upload_id)},
    )


def path(upload_id: UUID) -> str:
    """The path of an upload."""
    return f"{PATH}/{upload_id}"


def state_headers(upload: UploadRow) -> dict[str, str]:
    """The headers in which a client of the protocol reads how far an upload is."""
    found = {OFFSET: str(upload.received_bytes), LENGTH: str(upload.size_bytes), EXPIRES: expires(upload.expires_at)}
    return {**found, METADATA: upload.metadata} if upload.metadata else found
