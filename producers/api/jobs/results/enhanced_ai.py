"""Enhanced AI: requesting a summary and entities of a transcript, with the job or later, and reading them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from producers.api.jobs.bodies import Body, Id, Name
from producers.api.jobs.views import POLL_SECONDS, EnhancementLink, enhancement_path, job_path
from producers.api.problems import problem_responses
from producers.api.requests.idempotency import ENHANCEMENT, IdempotencyKey, chosen_id, reuse_told
from producers.api.requests.ids import EnhancementId
from producers.api.requests.media_types import BODY_CODES, StrictRoute
from producers.api.services import KeyDep, Services, ServicesDep
from schemas.errors import Rejected
from schemas.events import EnhancementRequest, TenantPolicy
from schemas.tenants.enhancement_consent import check_allowed, check_model, check_wishes
from schemas.vocabulary.job_states import ENDED, JobState
from schemas.webhooks.payloads import JobFailure
from sink.enhancements import requests
from sink.enhancements.requests import EnhancementRow
from sink.jobs import queries
from sink.tenants.policies import policy_of

router = APIRouter(prefix="/api/v1", tags=["enhanced AI"], route_class=StrictRoute)
ASK_CODES = ("consent_missing", "unknown_llm_model", "not_offered")


class EnhanceBody(Body):
    """A request for a summary or entities of a transcript."""

    transcription_job_id: Id = Field(description="A job of yours; one that still runs is waited for.")
    enable_summarization: bool = Field(False, description="A short summary in the language of the recording.")
    enable_entity_extraction: bool = Field(False, description="Names, dates, numbers and more, with their times.")
    llm_model: Name | None = Field(None, description="One of the models that the service offers; absent: its default.")
    enhancement_id: Id | None = Field(None, description="Your own id: sending the same request again is harmless.")

    def wishes(self, enhancement_id: UUID | None = None) -> EnhancementRequest:
        """The request as it is sent; `enhancement_id` is used where the body has none."""
        return EnhancementRequest(
            enhancement_id=self.enhancement_id or enhancement_id or uuid4(),
            summarization=self.enable_summarization,
            entity_extraction=self.enable_entity_extraction,
            llm_model=self.llm_model,
        )


class EntityView(BaseModel):
    """A named entity of the recording; times in seconds from its beginning."""

    text: str
    kind: str
    start: float | None
    end: float | None


class EnhancementView(EnhancementLink):
    """The current state of an enhancement."""

    job_id: UUID
    run: int
    enable_summarization: bool
    enable_entity_extraction: bool
    llm_model: str | None
    summary: str | None
    entities: list[EntityView]
    model: str | None = Field(description="The model that did the work.")
    tokens: int | None = Field(description="Tokens that it cost.")
    error: JobFailure | None
    requested_at: datetime
    completed_at: datetime | None


@router.post(
    "/enhanced-ai",
    operation_id="enhance",
    summary="Have a transcript summarised, and entities found in it",
    status_code=202,
    responses=problem_responses(
        "invalid_request",
        "unauthorized",
        "not_found",
        "no_transcript",
        "conflict",
        "idempotency_key_reused",
        *BODY_CODES,
        *ASK_CODES,
    ),
)
async def enhance(
    body: EnhanceBody, response: Response, services: ServicesDep, key: KeyDep, idempotency_key: IdempotencyKey
) -> EnhancementView:
    """Durable when this answers 202. The job may still run: it is waited for. Text leaves only with the tenant's consent."""
    chosen = chosen_id(idempotency_key, key.tenant, ENHANCEMENT, body.enhancement_id, "enhancement_id")
    with reuse_told(idempotency_key, ENHANCEMENT):
        row = await _asked(services, key.tenant, body, body.wishes(chosen))
    response.headers["Location"] = enhancement_path(row.enhancement_id)
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return enhancement_view(row)


async def _asked(services: Services, tenant: str, body: EnhanceBody, wishes: EnhancementRequest) -> EnhancementRow:
    async with services.database.as_tenant(tenant, writing=True) as connection:
        job = await queries.find(connection, body.transcription_job_id, tenant)
        if job is None:
            raise Rejected("not_found", f"job {body.transcription_job_id}")
        if job.state in ENDED and job.state != JobState.COMPLETED:
            raise Rejected("no_transcript", f"the job's state is {job.state}")
        check_ask(services, await policy_of(connection, tenant), wishes)
        await requests.ask(connection, tenant, job.job_id, job.run, wishes)
        row = await requests.find(connection, wishes.enhancement_id, tenant)
    if row is None:  # another tenant has the id, or what it named is over, or the job was erased in between
        raise Rejected("conflict", f"enhancement_id {wishes.enhancement_id}")
    return row


@router.get(
    "/enhanced-ai/{enhancement_id}",
    operation_id="getEnhancement",
    summary="State, summary and entities",
    responses=problem_responses("invalid_request", "unauthorized", "not_found"),
)
async def read_enhancement(
    enhancement_id: EnhancementId, response: Response, services: ServicesDep, key: KeyDep
) -> EnhancementView:
    """`queued`, `running`, then `completed` or `failed` with the reason."""
    async with services.database.as_tenant(key.tenant) as connection:
        row = await requests.find(connection, enhancement_id, key.tenant)
    if row is None:
        raise Rejected("not_found", f"enhancement {enhancement_id}")
    if row.completed_at is None:
        response.headers["Retry-After"] = str(POLL_SECONDS)
    return enhancement_view(row)


def check_ask(services: Services, policy: TenantPolicy | None, wishes: EnhancementRequest) -> None:
    """Reject early what could only fail later; codes: invalid_request and ASK_CODES."""
    check_wishes(summarization=wishes.summarization, entity_extraction=wishes.entity_extraction)
    if services.llm_models is None:
        raise Rejected("not_offered", "enhanced AI needs ENHANCED_AI_ENDPOINT, which is not set")
    check_model(wishes.llm_model, services.llm_models)
    check_allowed(policy, wishes.llm_model)


def enhancement_view(row: EnhancementRow) -> EnhancementView:
    """An enhancement in the form for clients."""
    values: dict[str, Any] = {
        name: getattr(row, name) for name in EnhancementView.model_fields if name in row.__dataclass_fields__
    }
    return EnhancementView(
        **values
        | {
            "error": row.error or None,
            "enable_summarization": row.summarization,
            "enable_entity_extraction": row.entity_extraction,
            "requested_at": row.created_at,
            "links": {"self": enhancement_path(row.enhancement_id), "job": job_path(row.job_id)},
        }
    )
