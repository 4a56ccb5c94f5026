"""The layout of the object store: every key starts with its tenant, so that access and deletion follow it."""

import re
from uuid import UUID

from schemas.errors import Permanent

JOB_FOLDERS = frozenset({"audio", "checkpoints", "claims", "transcripts"})
"""What lies below tenant/job/."""
# of a transcript that travels by claim check: ten hours of two channels of fast speech, each word with its speaker, are 15.5 MB
MAX_CLAIM_BYTES = 32_000_000
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def check_tenant(tenant: str) -> str:
    """The tenant's name if it is a legal one (it becomes part of keys); raises Permanent(invalid_request)."""
    if not TENANT.fullmatch(tenant):
        raise Permanent(
            "invalid_request", "tenant must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit"
        )
    return tenant


def check_own(tenant: str, key: str) -> str:
    """A key that a request of `tenant` names, if it is one of its own; raises Permanent(source_refused)."""
    if not key.startswith(f"{check_tenant(tenant)}/"):
        raise Permanent("source_refused", f"the key of an s3 address must begin with {tenant}/")
    return key


def upload_key(tenant: str, upload_id: UUID) -> str:
    """A recording that came through REST; its source address is upload://<upload_id>."""
    return f"{uploads_prefix(tenant)}{upload_id}"


def audio_key(tenant: str, job_id: UUID, sha256: str) -> str:
    """A recording that was fetched from outside, kept for the stages that follow."""
    return f"{audio_prefix(tenant, job_id)}{sha256}"


def claim_key(tenant: str, job_id: UUID, name: UUID) -> str:
    """A transcript (an Avro object container file) too large for its event."""
    return f"{claims_prefix(tenant, job_id)}{name}.avro"


def checkpoint_prefix(tenant: str, job_id: UUID, digest: str) -> str:
    """What the parts of a transcription that is not finished begin with; `digest` of all that it depends on."""
    return f"{job_prefix(tenant, job_id)}checkpoints/{digest}/"


def transcript_key(tenant: str, job_id: UUID, run: int) -> str:
    """The transcript as JSON, written once a run by the persist app."""
    return f"{transcript_prefix(tenant, job_id)}{run}.json"


def job_prefix(tenant: str, job_id: UUID) -> str:
    """What every object of a job begins with but its upload."""
    return f"{check_tenant(tenant)}/{job_id}/"


def audio_prefix(tenant: str, job_id: UUID) -> str:
    """What the recordings of a job begin with."""
    return f"{job_prefix(tenant, job_id)}audio/"


def claims_prefix(tenant: str, job_id: UUID) -> str:
    """What the transcripts of a job that are too large for an event begin with: only the service writes there."""
    return f"{job_prefix(tenant, job_id)}claims/"


def transcript_prefix(tenant: str, job_id: UUID) -> str:
    """What the transcripts of a job begin with."""
    return f"{job_prefix(tenant, job_id)}transcripts/"


def uploads_prefix(tenant: str) -> str:
    """What all uploads of a tenant begin with."""
    return f"{check_tenant(tenant)}/uploads/"
