"""Uploads in pieces and presigned ones."""

from datetime import datetime
from uuid import UUID

from .document import Document


class Upload(Document):
    """An upload and how much of it has come; `submit_uploaded` makes a job of it before it expires."""

    upload_id: UUID
    name: str | None
    size_bytes: int
    received_bytes: int
    expires_at: datetime
    links: dict[str, str]


class PresignedUpload(Document):
    """An upload that goes by PUT to `url` with `headers`, without the key, and must have begun before it expires."""

    upload: Upload
    method: str
    url: str
    headers: dict[str, str]
    url_expires_at: datetime
