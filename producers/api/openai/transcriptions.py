"""The operations that transcribe and translate a recording, and answer when that is done."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from producers.api.http.leaving import LEFT, unless_left
from producers.api.http.middleware import EVENT_STREAM
from producers.api.jobs.operations import REQUEST_CODES
from producers.api.openai.accepting import JOB_ID_HEADER, Asked, accept_form
from producers.api.openai.answers import DiarizedTranscription, TranscriptionText, TranslationText, VerboseTranscription
from producers.api.openai.authentication import BearerDep
from producers.api.openai.ended import has_ended, rendered, still_running, transcript_of
from producers.api.openai.errors import PREFIX, error_responses
from producers.api.openai.events import events
from producers.api.openai.forms import TranscriptionForm, TranslationForm, form_schema
from producers.api.openai.streaming import COMMENT_SECONDS, event_stream
from producers.api.requests import file_upload
from producers.api.requests.idempotency import IdempotencyKey
from producers.api.requests.media_types import FORM
from producers.api.services import Services, ServicesDep, TraceDep
from producers.api.web.contract import transcripts
from producers.transcripts.formats import Format
from schemas.events import Task

TRANSCRIPTIONS, TRANSLATIONS = f"{PREFIX}/audio/transcriptions", f"{PREFIX}/audio/translations"
PATHS = frozenset({TRANSCRIPTIONS, TRANSLATIONS})
_ENDS = (
    "not_ready",
    "cancelled",
    "not_media",
    "media_no_audio",
    "media_too_short",
    "media_too_long",
    "retries_exhausted",
)
_EVENTS = b"".join(events(transcripts.TRANSCRIPT, diarizes=False)).decode()
_STREAM = {"schema": {"type": "string"}, "example": _EVENTS}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the form that `response_format` names",
        "headers": {JOB_ID_HEADER: {"description": "For GET /api/v1/jobs/ID.", "schema": {"type": "string"}}},
        "content": transcripts.content((Format.TXT, Format.SRT, Format.VTT)),
    },
    **error_responses(*dict.fromkeys((*REQUEST_CODES, *file_upload.CODES, *_ENDS))),
}
router = APIRouter(tags=["openai"])


@router.post(
    TRANSCRIPTIONS,
    operation_id="createTranscription",
    summary="Transcribe a recording, and answer when that is done",
    response_model=TranscriptionText | VerboseTranscription | DiarizedTranscription,
    responses={
        **_RESPONSES,
        200: {**_RESPONSES[200], "content": {**_RESPONSES[200]["content"], EVENT_STREAM: _STREAM}},
    },
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": form_schema(TranscriptionForm)}}}},
)
async def create_transcription(
    request: Request, services: ServicesDep, key: BearerDep, trace: TraceDep, idempotency_key: IdempotencyKey
) -> Response:
    """The answer that OpenAI's clients expect; fields that are not known here are ignored.

    The same request within an hour is the same job, so sending it again does no work twice.
    """
    kind = TranscriptionForm
    accept = partial(accept_form, request, services, key, Task.TRANSCRIBE, kind, trace, idempotency_key)
    return await _answered(request, services, key.tenant, accept)


@router.post(
    TRANSLATIONS,
    operation_id="createTranslation",
    summary="Translate a recording into English, and answer when that is done",
    response_model=TranslationText | VerboseTranscription,
    responses=_RESPONSES,
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": form_schema(TranslationForm)}}}},
)
async def create_translation(
    request: Request, services: ServicesDep, key: BearerDep, trace: TraceDep, idempotency_key: IdempotencyKey
) -> Response:
    """A translation by a model that can: GET /api/v1/models says which `translates`."""
    kind = TranslationForm
    accept = partial(accept_form, request, services, key, Task.TRANSLATE, kind, trace, idempotency_key)
    return await _answered(request, services, key.tenant, accept)


async def _answered(
    request: Request, services: Services, tenant: str, accept: Callable[[], Awaitable[Asked]]
) -> Response:
    """Accept a job, wait for its end, and answer; a client that leaves does not stop its job."""
    async with AsyncExitStack() as held:
        await held.enter_async_context(services.waits.one(tenant))
        asked = await accept()
        stream = asked.form.stream
        seconds = min(COMMENT_SECONDS, services.wait_seconds) if stream else services.wait_seconds
        ended = await unless_left(request, has_ended(services, asked, seconds))
        if ended is None:
            return Response(status_code=LEFT)
        transcript = await transcript_of(services, asked) if ended else None
        if stream:
            return event_stream(services, asked, transcript, held.pop_all())
        if transcript is None:
            raise still_running(asked, seconds)
        body, media_type = await rendered(asked, transcript)
        return Response(body, media_type=media_type, headers=asked.headers)
