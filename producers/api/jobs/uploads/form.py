"""The operation that takes a recording in a form."""

from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from producers.api.jobs.bodies import UploadFields
from producers.api.jobs.operations import REQUEST_CODES, submit
from producers.api.jobs.uploads.room import check_room
from producers.api.jobs.views import JobSummary
from producers.api.problems import problem_responses
from producers.api.requests import file_upload
from producers.api.requests.file_upload import stored_file
from producers.api.requests.idempotency import JOB, IdempotencyKey, chosen_id, id_of, reuse_told
from producers.api.requests.media_types import FORM, StrictRoute, check_media_type
from producers.api.requests.multipart import FILE_FIELD, MultipartForm
from producers.api.services import KeyDep, Services, ServicesDep, TraceDep
from producers.inputs.validation_errors import invalid
from schemas.events import Priority

PATH = "/api/v1/transcribe/upload"
_FORM_SCHEMA = UploadFields.model_json_schema(ref_template="#/components/schemas/{model}")
_FORM_SCHEMA.pop("$defs", None)
_FORM_SCHEMA["properties"][FILE_FIELD] = {"type": "string", "format": "binary", "description": "The recording."}
_FORM_SCHEMA["properties"]["metadata"] = {"type": "string", "description": "Your own notes as a JSON object."}
_FORM_SCHEMA["required"] = [FILE_FIELD]
_FORM_SCHEMA["examples"] = [{"language": "he", "num_speakers": 2, "metadata": '{"customer": "42"}'}]

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


@router.post(
    PATH,
    operation_id="transcribeUpload",
    summary="Transcribe a recording that comes with the request",
    status_code=202,
    responses=problem_responses(*REQUEST_CODES, *file_upload.CODES),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM_SCHEMA}}}},
)
async def transcribe_upload(
    request: Request,
    response: Response,
    services: ServicesDep,
    key: KeyDep,
    trace: TraceDep,
    idempotency_key: IdempotencyKey,
) -> JobSummary:
    """A form with a `file` and the fields of /api/v1/transcribe but `url` and `upload_id`, in any order.

    A job that would be refused for its place in the queue is refused before its file is read: by the `priority` that
    stands before the file, unless the `job_id` before it, or the `Idempotency-Key`, is that of a job.
    """
    check_media_type(request.headers, FORM)
    form = MultipartForm(request.headers["content-type"], services.upload_max_bytes, UploadFields.model_fields)
    admit = partial(_admit, services, form, key.tenant, idempotency_key)
    async with stored_file(request, form, services, key.tenant, admit) as file:
        fields = _fields(form)
        job_id = chosen_id(idempotency_key, key.tenant, JOB, fields.job_id, "job_id")
        wanted = fields.request(key.tenant, file.source, services.now(), job_id)
        with reuse_told(idempotency_key, JOB):
            answer = await submit(services, wanted, trace, response)
        file.kept = answer.source == file.source.uri
        return answer


async def _admit(services: Services, form: MultipartForm, tenant: str, key: str | None) -> None:
    express = form.fields.get("priority") == Priority.EXPRESS.value
    await check_room(services, tenant, express=express, job_id=_known_id(form, tenant, key))


def _known_id(form: MultipartForm, tenant: str, key: str | None) -> UUID | None:
    """The id of the job, as far as it is known before the file."""
    if key is not None:
        return id_of(tenant, JOB, key)
    try:
        return UUID(form.fields.get("job_id", ""))
    except ValueError:
        return None


def _fields(form: MultipartForm) -> UploadFields:
    # forms have no null: an empty field is one that was left out
    given: dict[str, Any] = {name: value for name, value in form.fields.items() if value != ""}
    try:
        return UploadFields.model_validate_strings(given)
    except ValidationError as error:
        raise invalid(error, UploadFields) from error
