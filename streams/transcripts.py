"""Results and their transcripts: checked, taken from the event or the object store, kept as JSON before any row names it."""

import asyncio
import hashlib
import json

from schemas.errors import Permanent, Poison
from schemas.events import ClaimCheck, JobResult, Outcome
from schemas.objects import check_tenant, transcript_key
from schemas.ports import ObjectStore
from schemas.serde import decode_transcript, to_json, transcript_from_json
from schemas.transcript import Transcript
from sink.results import Kept
from sink.storable import storable


def check_result(event: JobResult) -> None:
    """Raise unless the result and the request inside it tell of the same job and run of a legal tenant."""
    check_tenant(event.tenant)
    request = event.request
    if (event.job_id, event.run, event.tenant) != (request.job_id, request.run, request.tenant):
        raise Poison(f"the request inside is of job {request.job_id}, run {request.run}, tenant {request.tenant}")


async def transcript_of(store: ObjectStore, result: JobResult) -> Transcript | None:
    """The transcript of a completed job, fit for the database; None for any other end.

    Raises Poison when the event or its claim check holds none, Permanent when the claim check is not the job's own.
    """
    if result.outcome is not Outcome.COMPLETED:
        return None
    transcript = result.transcript
    if result.claim_check is not None:
        transcript = await asyncio.to_thread(_claimed, store, result, result.claim_check)
    if transcript is None:
        raise Poison("a completed result has neither a transcript nor a claim check")
    return transcript_from_json(storable(to_json(transcript)))


async def keep(store: ObjectStore, result: JobResult, transcript: Transcript) -> Kept:
    """Write the transcript as JSON, once a run."""
    key = transcript_key(result.tenant, result.job_id, result.run)
    body = json.dumps(to_json(transcript), ensure_ascii=False, separators=(",", ":")).encode()
    await asyncio.to_thread(store.put, key, body, content_type="application/json", if_absent=True)
    return Kept(transcript, store.uri(key))


async def drop(store: ObjectStore, kept: Kept) -> None:
    """Delete a transcript whose job was erased meanwhile."""
    await asyncio.to_thread(store.delete, store.key(kept.uri))


def _claimed(store: ObjectStore, result: JobResult, claim: ClaimCheck) -> Transcript:
    key = store.key(claim.uri)
    if not key.startswith(f"{check_tenant(result.tenant)}/{result.job_id}/"):
        raise Permanent("source_refused", f"{claim.uri} does not belong to the job")
    body = store.get(key, max_bytes=claim.size_bytes)
    if (found := hashlib.sha256(body).hexdigest()) != claim.sha256.lower():
        raise Permanent("source_changed", f"{claim.uri} has SHA-256 {found}, not {claim.sha256}")
    return decode_transcript(body)
