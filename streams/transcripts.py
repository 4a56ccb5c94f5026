"""Results and their transcripts: checked, taken from the event or the object store, kept as JSON before any row names it."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

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
    return await asyncio.to_thread(_transcript_of, store, result)


async def keep(store: ObjectStore, result: JobResult, transcript: Transcript) -> Kept:
    """Write the transcript as JSON, once a run: one that is already there stays, and is what the row will tell."""
    return await asyncio.to_thread(_keep, store, result, transcript)


async def drop(store: ObjectStore, kept: Kept) -> None:
    """Delete a transcript whose job was erased meanwhile."""
    await asyncio.to_thread(store.delete, store.key(kept.uri))


def _transcript_of(store: ObjectStore, result: JobResult) -> Transcript:
    transcript = result.transcript
    if result.claim_check is not None:
        transcript = _claimed(store, result, result.claim_check)
    if transcript is None:
        raise Poison("a completed result has neither a transcript nor a claim check")
    return transcript_from_json(storable(to_json(transcript)))


def _keep(store: ObjectStore, result: JobResult, transcript: Transcript) -> Kept:
    key = transcript_key(result.tenant, result.job_id, result.run)
    body = json.dumps(to_json(transcript), ensure_ascii=False, separators=(",", ":")).encode()
    if not store.put(key, body, content_type="application/json", if_absent=True):
        transcript = _kept_before(store, key)
    return Kept(transcript, store.uri(key))


def _kept_before(store: ObjectStore, key: str) -> Transcript:
    """What another try wrote; it may differ where the job was transcribed twice."""
    with _as_ours():
        body = store.get(key)
    try:
        return transcript_from_json(json.loads(body))
    except (Poison, ValueError) as error:
        raise Permanent("internal", f"{store.uri(key)} holds no transcript: {error}") from error


def _claimed(store: ObjectStore, result: JobResult, claim: ClaimCheck) -> Transcript:
    with _as_ours():
        key = store.key(claim.uri)
        if not key.startswith(f"{check_tenant(result.tenant)}/{result.job_id}/"):
            raise Permanent("internal", f"{claim.uri} does not belong to the job")
        body = store.get(key, max_bytes=claim.size_bytes)
    if (found := hashlib.sha256(body).hexdigest()) != claim.sha256.lower():
        raise Permanent("internal", f"{claim.uri} has SHA-256 {found}, not {claim.sha256}")
    return decode_transcript(body)


@contextmanager
def _as_ours() -> Iterator[None]:
    """The store words its errors for sources of strangers; an object of ours that is not as it should be is internal."""
    try:
        yield
    except Permanent as error:
        raise Permanent("internal", error.detail) from error
