"""Layout of the object store: every key starts with its tenant, by which access and deletion are controlled."""

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
    """Return a valid tenant name, which becomes part of keys; raises Permanent(invalid_request)."""
    if not TENANT.fullmatch(tenant):
        raise Permanent(
            "invalid_request", "tenant must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit"
        )
    return tenant


def check_own(tenant: str, key: str) -> str:
    """Return a key named in a request of `tenant`, if it belongs to the tenant; raises Permanent(source_refused)."""
    if not key.startswith(f"{check_tenant(tenant)}/"):
        raise Permanent("source_refused", f"the key of an s3 address must begin with {tenant}/")
    return key


def upload_key(tenant: str, upload_id: UUID) -> str:
    """The key of a recording uploaded through REST; its source address is upload://<upload_id>."""
    return f"{uploads_prefix(tenant)}{upload_id}"


def tail_prefix(tenant: str, upload_id: UUID) -> str:
    """The prefix of what has come of an upload's next part; deleted with all that begins as the upload itself does."""
    return f"{upload_key(tenant, upload_id)}."


def tail_key(tenant: str, upload_id: UUID, number: int) -> str:
    """The key of the first bytes of the part with a number."""
    return f"{tail_prefix(tenant, upload_id)}{number}"


def audio_key(tenant: str, job_id: UUID, sha256: str) -> str:
    """The key of a recording that was fetched from outside, for later stages."""
    return f"{audio_prefix(tenant, job_id)}{sha256}"


def claim_key(tenant: str, job_id: UUID, name: UUID) -> str:
    """The key of a transcript (an Avro object container file) too large for its event."""
    return f"{claims_prefix(tenant, job_id)}{name}.avro"


def checkpoint_prefix(tenant: str, job_id: UUID, digest: str) -> str:
    """The prefix of the checkpoints of an unfinished transcription; `digest` of everything that it depends on."""
    return f"{job_prefix(tenant, job_id)}checkpoints/{digest}/"


def transcript_key(tenant: str, job_id: UUID, run: int) -> str:
    """The key of the transcript as JSON, written once per run by the persist app."""
    return f"{transcript_prefix(tenant, job_id)}{run}.json"


def job_prefix(tenant: str, job_id: UUID) -> str:
    """The prefix of all objects of a job except its upload."""
    return f"{check_tenant(tenant)}/{job_id}/"


def audio_prefix(tenant: str, job_id: UUID) -> str:
    """The prefix of the recordings of a job."""
    return f"{job_prefix(tenant, job_id)}audio/"


def claims_prefix(tenant: str, job_id: UUID) -> str:
    """The prefix of a job's transcripts too large for an event, where only the service writes."""
    return f"{job_prefix(tenant, job_id)}claims/"


def transcript_prefix(tenant: str, job_id: UUID) -> str:
    """The prefix of the transcripts of a job."""
    return f"{job_prefix(tenant, job_id)}transcripts/"


def uploads_prefix(tenant: str) -> str:
    """The prefix of all uploads of a tenant."""
    return f"{check_tenant(tenant)}/uploads/"
