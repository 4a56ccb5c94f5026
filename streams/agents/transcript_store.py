"""Transcripts of results: checked, taken from event or object store, stored as JSON before any row refers to them."""

import asyncio
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor

from schemas.errors import Permanent, Poison
from schemas.events import ClaimCheck, JobResult, Outcome
from schemas.ports import ObjectStore, own_object
from schemas.process.failpoints import failpoint
from schemas.transcript import Transcript
from schemas.wire.object_keys import MAX_CLAIM_BYTES, check_tenant, claims_prefix, transcript_key
from schemas.wire.serde import decode_transcript, to_json, to_json_text, transcript_from_json
from sink.jobs.results import StoredTranscript
from sink.postgres.sanitize import sanitize_for_postgres

THREADS = 16  # half of the object store's connections

# What a transcript's JSON shows if it is not fit for the database as it is: NUL, or no number where one must be.
_UNFIT = re.compile(rb'\\u0000|"(?:start|end|duration)":null')


def check_result(event: JobResult) -> None:
    """Check that a result and the request inside it name the same job and run of a valid tenant; raises otherwise."""
    check_tenant(event.tenant)
    request = event.request
    if (event.job_id, event.run, event.tenant) != (request.job_id, request.run, request.tenant):
        raise Poison(f"the request inside is of job {request.job_id}, run {request.run}, tenant {request.tenant}")


def fit(transcript: Transcript) -> tuple[Transcript, bytes]:
    """The transcript in a form that the database accepts, and its JSON; raises Poison when a time is not a number.

    A transcript that needs no change, as nearly all, is detected by its JSON and returned unchanged.
    """
    try:
        body = to_json_text(transcript)
    except ValueError:
        body = None
    if body is None or _UNFIT.search(body):
        transcript = transcript_from_json(sanitize_for_postgres(to_json(transcript)))
        body = to_json_text(transcript)
    return transcript, body


class Transcripts:
    """Stores job transcripts in the object store; many at once, in threads of its own."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, "transcripts")

    async def keep(self, result: JobResult) -> StoredTranscript | None:
        """Store a completed job's transcript as JSON, once per run; None for any other end.

        One that is already there stays, and is what the row will tell. Raises Poison when the event or its claim check
        holds none, Permanent when the claim check is not the job's own.
        """
        if result.outcome is not Outcome.COMPLETED:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._keep, result)

    async def drop(self, kept: StoredTranscript) -> None:
        """Delete a transcript whose job was erased meanwhile."""
        key = self._store.key(kept.uri)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._store.delete, key)

    def _keep(self, result: JobResult) -> StoredTranscript:
        transcript, body = fit(self._transcript_of(result))
        key = transcript_key(result.tenant, result.job_id, result.run)
        if not self._store.put(key, body, content_type="application/json", if_absent=True):
            transcript = self._kept_before(key)
        failpoint("persist.after_object")
        return StoredTranscript(transcript, self._store.uri(key))

    def _transcript_of(self, result: JobResult) -> Transcript:
        transcript = result.transcript
        if result.claim_check is not None:
            transcript = self._claimed(result, result.claim_check)
        if transcript is None:
            raise Poison("a completed result has neither a transcript nor a claim check")
        return transcript

    def _kept_before(self, key: str) -> Transcript:
        """The transcript stored by another attempt; may differ where the job was transcribed twice."""
        with own_object():
            body = self._store.get(key)
        try:
            return transcript_from_json(json.loads(body))
        except (Poison, ValueError) as error:
            raise Permanent("internal", f"{self._store.uri(key)} holds no transcript: {error}") from error

    def _claimed(self, result: JobResult, claim: ClaimCheck) -> Transcript:
        with own_object():
            key = self._store.key(claim.uri)
            # what else lies below a tenant, uploads and recordings, are bytes of its choice
            if not key.startswith(claims_prefix(result.tenant, result.job_id)):
                raise Permanent("internal", f"{claim.uri} is not one of the job's claims")
            body = self._store.get(key, max_bytes=min(claim.size_bytes, MAX_CLAIM_BYTES))
        if (found := hashlib.sha256(body).hexdigest()) != claim.sha256.lower():
            raise Permanent("internal", f"{claim.uri} has SHA-256 {found}, not {claim.sha256}")
        return decode_transcript(body)
