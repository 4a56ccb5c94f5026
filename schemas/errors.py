"""Error tree of the service, and all error codes that clients can receive.

ScribeError
  Transient     this record may succeed later: the retry ladder
    SourceFailed  where the client keeps the recording there is trouble: no sign of trouble here
    NotAllowedYet  the same of a policy that may not have come here yet
  Outage        an outside system is away: wait un-acked, no record's fault
  Permanent     this job can never succeed: a failed result with a code from ERRORS
    Rejected    the same, found at the door (HTTP answer, exit code 2)
    NotAllowed    the tenant's policy forbids it, and may say otherwise later
  Poison        the record is no event: the dead-letter topic
    InvalidEvent  it can be read, and a value in it is wrong: a failed result, where it says for which job
  Cancelled     nobody wants the job any more: a cancelled result
  NotOwner      the partition or the lease went to another process: drop the outcome
  Fatal         this process must end and be started anew
  SettingsError the environment is wrong; names every variable at once
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.events import Event


class ErrorKind(StrEnum):
    """Kinds of errors, by who must act after a failed job."""

    REQUEST = "request"  # ask differently
    SOURCE = "source"  # the recording could not be had
    MEDIA = "media"  # the recording could not be read
    LIMIT = "limit"  # larger or longer than allowed
    EXPIRED = "expired"  # nobody waited for it any more
    INTERNAL = "internal"  # ours; submitting again may help


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """One error that clients can receive: its kind, HTTP status of REST, title, and advice."""

    code: str
    kind: ErrorKind
    status: int
    title: str
    advice: str


MAX_DETAIL_CHARS = 500
_K = ErrorKind
# fmt: off
ERRORS: dict[str, ErrorSpec] = {
    spec.code: spec
    for spec in (
        ErrorSpec("invalid_request", _K.REQUEST, 422, "The request is not valid", "Correct the fields that are named."),
        ErrorSpec("malformed_request", _K.REQUEST, 400, "The request is not HTTP as it must be written", "Look at its first line, its headers and how its body is framed."),
        ErrorSpec("unauthorized", _K.REQUEST, 401, "A valid key is missing", "Send one made with `scribe keys create` as X-API-Key, or under /v1 as Authorization: Bearer KEY."),
        ErrorSpec("forbidden", _K.REQUEST, 403, "The key may not do this", "Use a key with the scope that this needs."),
        ErrorSpec("cross_site", _K.REQUEST, 403, "The request comes from another site", "Open the page itself, or send a key as X-API-Key."),
        ErrorSpec("not_found", _K.REQUEST, 404, "There is no such thing", "Check the id; results are deleted when their time is over."),
        ErrorSpec("method_not_allowed", _K.REQUEST, 405, "The method is not allowed here", "See /docs for the methods of this address."),
        ErrorSpec("not_ready", _K.REQUEST, 409, "The job has not ended", "Wait for its end: poll the job or use a webhook."),
        ErrorSpec("conflict", _K.REQUEST, 409, "The same id was used for something else", "Use a new id."),
        ErrorSpec("idempotency_key_reused", _K.REQUEST, 422, "The Idempotency-Key was used for another request", "Use a new key for a new request."),
        ErrorSpec("precondition_required", _K.REQUEST, 428, "The request does not say what it changes", "Read the transcript, and send its ETag as If-Match."),
        ErrorSpec("revision_conflict", _K.REQUEST, 412, "The transcript was corrected meanwhile", "Read it again, and send your change with its new ETag."),
        ErrorSpec("too_many_revisions", _K.LIMIT, 409, "The transcript has as many revisions as it may", "Make several changes in one; a new run begins without revisions."),
        ErrorSpec("held", _K.REQUEST, 409, "A legal hold keeps it", "Ask the operator, who set it and can release it."),
        ErrorSpec("cancelled", _K.REQUEST, 409, "The job was cancelled", "Submit it again if it is still wanted."),
        ErrorSpec("request_too_large", _K.LIMIT, 413, "The request is larger than the limit", "Send less text in prompt, hotwords and metadata."),
        ErrorSpec("unsupported_media_type", _K.REQUEST, 415, "The body is not of a kind that is taken here", "Send what the Accept or Accept-Encoding header of this answer names, in UTF-8 and not compressed."),
        ErrorSpec("offset_conflict", _K.REQUEST, 409, "The upload is not where the request goes on", "Ask where it is with HEAD, and go on there; of two that write at once the later one does."),
        ErrorSpec("upload_incomplete", _K.REQUEST, 409, "The upload has not come whole", "Send the rest of it first."),
        ErrorSpec("upload_expired", _K.EXPIRED, 410, "The upload has expired", "Begin a new one."),
        ErrorSpec("unsupported_version", _K.REQUEST, 412, "The version of the upload protocol is not known here", "Speak the one that Tus-Version names."),
        ErrorSpec("too_many_uploads", _K.LIMIT, 429, "The tenant has as many unfinished uploads as it may", "Finish some, or delete them."),
        ErrorSpec("unknown_checksum", _K.REQUEST, 400, "The checksum cannot be read, or is of a kind that is not known here", "Use one that Tus-Checksum-Algorithm names, and base64."),
        ErrorSpec("checksum_mismatch", _K.REQUEST, 460, "The bytes are not those that the checksum is of", "Send them again from the same offset."),
        ErrorSpec("headers_too_large", _K.LIMIT, 431, "The headers of the request are larger than the limit", "Send less in address and headers."),
        ErrorSpec("request_timeout", _K.REQUEST, 408, "The request did not come in time", "Send it without pauses."),
        ErrorSpec("too_many_connections", _K.LIMIT, 503, "The service has as many connections as it may", "Try again; see Retry-After."),
        ErrorSpec("endpoint_disabled", _K.REQUEST, 409, "The webhook endpoint is disabled", "Enable it first; its reason says why it was disabled."),
        ErrorSpec("being_sent", _K.REQUEST, 409, "The webhook is being sent at this moment", "See how it ends, then ask again."),
        ErrorSpec("payload_gone", _K.REQUEST, 410, "What the webhook said is not kept any more", "Read the job itself, while it is kept."),
        ErrorSpec("too_many_endpoints", _K.LIMIT, 409, "The tenant has as many webhook endpoints as it may", "Delete one that is not needed, or ask the operator for more."),
        ErrorSpec("search_too_broad", _K.LIMIT, 422, "The search takes too long", "Ask for less: rarer words, one language, one endpoint, a shorter time."),
        ErrorSpec("busy", _K.LIMIT, 503, "Too many such requests run at once", "Try again; see Retry-After."),
        ErrorSpec("unavailable", _K.INTERNAL, 503, "A part of the service is away", "Try again; see Retry-After."),
        ErrorSpec("unknown_engine", _K.REQUEST, 422, "No such engine", "See GET /api/v1/models."),
        ErrorSpec("unknown_model", _K.REQUEST, 422, "No such model", "See GET /api/v1/models."),
        ErrorSpec("model_not_allowed", _K.REQUEST, 403, "The tenant may not use this model", "Name one that it may use, or ask the operator: `scribe tenants set TENANT --model`."),
        ErrorSpec("unknown_tenant", _K.REQUEST, 403, "The tenant is not known here", "Ask the operator: `scribe tenants set TENANT` makes it known."),
        ErrorSpec("quota_exceeded", _K.LIMIT, 429, "The tenant has as many jobs waiting as it may", "Wait until some of them have begun; see Retry-After."),
        ErrorSpec("queue_too_long", _K.LIMIT, 429, "A new job would wait too long", "Submit it later; see Retry-After."),
        ErrorSpec("rate_limited", _K.LIMIT, 429, "The key has made as many requests as it may in a minute", "Send fewer, or wait; see RateLimit and Retry-After."),
        ErrorSpec("unknown_language", _K.REQUEST, 422, "The model does not know this language", "See GET /api/v1/models for its languages."),
        ErrorSpec("language_required", _K.REQUEST, 422, "This model may not detect languages", "Name the language."),
        ErrorSpec("source_refused", _K.SOURCE, 422, "The address is not allowed", "Use a public https address on a host that the tenant may name, an s3 prefix of its own, or an upload."),
        ErrorSpec("source_unreachable", _K.SOURCE, 422, "The recording could not be fetched", "Check that the address answers from outside."),
        ErrorSpec("source_not_found", _K.SOURCE, 404, "There is no recording at the address", "Check the address and how long it is valid."),
        ErrorSpec("source_changed", _K.SOURCE, 422, "The recording is not the one announced", "Check sha256 and size_bytes."),
        ErrorSpec("range_not_satisfiable", _K.REQUEST, 416, "The recording has no such part", "Ask for bytes within its size."),
        ErrorSpec("not_media", _K.MEDIA, 415, "The file is not a recording", "Send WAV, AIFF, CAF, AU, MP3, FLAC, Ogg, Opus, M4A, MP4, MKV, WebM or AAC."),
        ErrorSpec("media_empty", _K.MEDIA, 422, "The file is empty", "Check that the upload was complete."),
        ErrorSpec("media_truncated", _K.MEDIA, 422, "The file is cut off", "Check that the upload was complete."),
        ErrorSpec("media_no_audio", _K.MEDIA, 422, "The file has no sound", "Send a file with an audio track."),
        ErrorSpec("media_no_track", _K.MEDIA, 422, "The recording has no such audio track", "Name one of those that are listed, or leave `track` out."),
        ErrorSpec("media_too_short", _K.MEDIA, 422, "The recording is too short", "Send at least 0.2 seconds."),
        ErrorSpec("media_too_large", _K.LIMIT, 413, "The file is larger than the limit", "Split or compress it."),
        ErrorSpec("media_too_long", _K.LIMIT, 422, "The recording is longer than the limit", "Split it."),
        ErrorSpec("result_too_large", _K.LIMIT, 422, "The result is larger than any record or object may be", "Split the recording."),
        ErrorSpec("consent_missing", _K.REQUEST, 403, "The tenant has not agreed that its text leaves for the enhanced-AI service", "Ask the operator: `scribe tenants set TENANT --enhanced-ai`."),
        ErrorSpec("unknown_llm_model", _K.REQUEST, 422, "No such model of the enhanced-AI service", "Leave llm_model out for the default one."),
        ErrorSpec("not_offered", _K.REQUEST, 422, "This service does not offer that", "Ask the operator to set it."),
        ErrorSpec("no_transcript", _K.REQUEST, 409, "There is no transcript to work on", "Ask for it about a job that completes."),
        ErrorSpec("enhancement_failed", _K.INTERNAL, 502, "The enhanced-AI service did not do it", "Ask again, perhaps with another llm_model."),
        ErrorSpec("expired", _K.EXPIRED, 410, "The job expired before its turn", "Submit it again with a later expires_at."),
        ErrorSpec("retries_exhausted", _K.INTERNAL, 500, "The job failed at every attempt", "Submit it again later."),
        ErrorSpec("quarantined", _K.INTERNAL, 500, "The recording ended every process that worked on it", "Submit another encoding of it, and tell the operator the job id."),
        ErrorSpec("skipped", _K.INTERNAL, 500, "An operator has passed the job over", "Ask the operator why before you submit it again."),
        ErrorSpec("internal", _K.INTERNAL, 500, "Something went wrong on our side", "Submit it again, and tell the operator the job id."),
    )
}
# fmt: on


POISON, UNDECODABLE = "poison", "undecodable"
KINDS = (*ErrorKind, POISON)
CODES = (*ERRORS, UNDECODABLE)
"""The kinds and codes of errors that dead letters have."""


class ScribeError(Exception):
    """Any error that the service raises itself."""


class Transient(ScribeError):
    """A failure of a record that may succeed in a later attempt."""


class SourceFailed(Transient):
    """A temporary failure of the client's storage of the recording; says nothing about this service."""


class NotAllowedYet(Transient):
    """A denial by the currently known policy, which may be outdated; says nothing about this service."""


class Outage(ScribeError):
    """An outside system is away; wait for it, as no record is at fault."""


class Permanent(ScribeError):
    """A failure of a job that can never succeed; `code` is a key of ERRORS, `detail` describes the cause in at most 500 characters."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.spec = ERRORS[code]
        self.code = code
        self.detail = _quoted(detail)
        super().__init__(self.message)

    @property
    def kind(self) -> ErrorKind:
        """The kind of the error code."""
        return self.spec.kind

    @property
    def message(self) -> str:
        """The problem and the advice, in two sentences."""
        seen = f"{self.spec.title}: {self.detail}" if self.detail else self.spec.title
        return sentences(seen, self.spec.advice)


def sentences(seen: str, advice: str) -> str:
    """The problem and the advice as two complete sentences."""
    return f"{seen if seen.endswith('?') else seen.rstrip('.') + '.'} {advice}"


def _quoted(detail: str) -> str:
    """A detail made safe for results and headers, since its text may be untrusted."""
    text = detail.encode(errors="replace").decode()
    return text if len(text) <= MAX_DETAIL_CHARS else f"{text[: MAX_DETAIL_CHARS - 1]}…"


class Rejected(Permanent):
    """Rejection at submission, before a job exists; `errors` names the fields."""

    def __init__(self, code: str, detail: str = "", errors: tuple[dict[str, str], ...] = ()) -> None:
        self.errors = errors
        super().__init__(code, detail)


class NotAllowed(Permanent):
    """Forbidden by the tenant's policy."""


class Poison(ScribeError):
    """The bytes of a record cannot be decoded."""


class InvalidEvent(Poison):
    """A readable record with an invalid value.

    `reason` names the field; `answer` is the response to its submitter, a failed JobResult or EnhancementResult, or
    None where the record does not identify it or none is expected.
    """

    def __init__(self, reason: Permanent, answer: "Event | None" = None) -> None:
        self.reason = reason
        self.answer = answer
        super().__init__(reason.detail)


class Cancelled(ScribeError):
    """The job was cancelled; it ends as cancelled."""


class NotOwner(ScribeError):
    """The partition or the lease went to another process; drop the outcome."""


class Fatal(ScribeError):
    """A failure after which the process must end and be restarted."""


class SettingsError(ScribeError):
    """Invalid settings; one line per mistake, each with its variable."""
