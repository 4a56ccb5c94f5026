"""Claim checks: transcripts too large for a record, stored in the object store and verified when read back."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from schemas.errors import Permanent, Poison
from schemas.events import ClaimCheck, TranscriptReady
from schemas.ports import ObjectStore, own_object
from schemas.process.failpoints import failpoint
from schemas.transcript import Transcript
from schemas.wire.object_keys import MAX_CLAIM_BYTES, claim_key, claims_prefix
from schemas.wire.serde import decode_transcript, encode_transcript

_UNREADABLE = "a transcript that was kept cannot be read back: "


@dataclass(frozen=True, slots=True)
class PackedTranscript:
    """The effective transcript and its transport: `inline` in the event or `claim` in its place."""

    transcript: Transcript
    inline: Transcript | None
    claim: ClaimCheck | None


@dataclass(frozen=True, slots=True)
class ClaimCheckStore:
    """Chooses the transport of transcripts: inside an event up to `max_inline` bytes of Avro."""

    store: ObjectStore
    max_inline: int

    def pack(
        self, transcript: Transcript, tenant: str, job_id: UUID, name: UUID, *, inline: bool = True
    ) -> PackedTranscript:
        """Pack a transcript for an event; raises Permanent(result_too_large), Outage.

        Without `inline` always by claim check, however small. A transcript that an earlier attempt stored under the
        same `name` takes precedence: its event may already be sent.
        """
        body = encode_transcript(transcript)
        if inline and len(body) <= self.max_inline:
            return PackedTranscript(transcript, transcript, None)
        if len(body) > MAX_CLAIM_BYTES:
            raise Permanent("result_too_large", f"{len(body)} bytes")
        key = claim_key(tenant, job_id, name)
        if not self.store.put(key, body, content_type="avro/binary", if_absent=True):
            with own_object(_UNREADABLE):
                body = self.store.get(key, max_bytes=MAX_CLAIM_BYTES)
            transcript = decode_transcript(body)
        failpoint("gpu.after_claim_put")
        claim = ClaimCheck(uri=self.store.uri(key), size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
        return PackedTranscript(transcript, None, claim)

    def transcript_of(self, event: TranscriptReady) -> Transcript:
        """The transcript of an event or its claim; raises Poison without either, Permanent(internal) if lost."""
        if event.transcript is not None:
            return event.transcript
        if event.claim_check is None:
            raise Poison("a TranscriptReady without transcript and claim check")
        with own_object(_UNREADABLE):
            key = self.store.key(event.claim_check.uri)
            # what else lies below a tenant, uploads and recordings, are bytes of its choice
            if not key.startswith(claims_prefix(event.tenant, event.job_id)):
                raise Permanent("internal", f"{_UNREADABLE}its key is not one of the job's claims")
            body = self.store.get(key, max_bytes=min(event.claim_check.size_bytes, MAX_CLAIM_BYTES))
        if hashlib.sha256(body).hexdigest() != event.claim_check.sha256:
            raise Permanent("internal", "the transcript in the object store is not the one that was announced")
        return decode_transcript(body)
