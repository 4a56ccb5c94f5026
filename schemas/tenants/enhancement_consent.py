"""Consent to enhanced AI: rules over a tenant's policy and the models that the service offers. Pure."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from schemas.errors import Permanent
from schemas.events import TenantPolicy
from schemas.vocabulary.nearest import hint

"""The quota of a tenant's policy: tokens a day, counted in UTC."""


def check_wishes(*, summarization: bool, entity_extraction: bool) -> None:
    """Raise Permanent(invalid_request) when no enhancement is requested."""
    if not (summarization or entity_extraction):
        raise Permanent("invalid_request", "enable_summarization or enable_entity_extraction must be true")


def check_model(model: str | None, offered: tuple[str, ...]) -> None:
    """Raise Permanent(unknown_llm_model) for a model that the service does not offer; None is its default."""
    if model is not None and model not in offered:
        known = f"there are {', '.join(offered)}" if offered else "there is only the default one"
        raise Permanent("unknown_llm_model", f"{model}; {known}{hint(model, offered)}")


def check_allowed(policy: TenantPolicy | None, model: str | None) -> None:
    """Raise Permanent unless the tenant's policy allows its text to be sent, and to this model.

    Codes: consent_missing (no policy is no consent), unknown_llm_model.
    """
    if policy is None or not policy.enhanced_ai:
        raise Permanent("consent_missing")
    if policy.llm_models and model not in (None, *policy.llm_models):
        raise Permanent(
            "unknown_llm_model",
            f"{model}; the tenant's policy allows {', '.join(policy.llm_models)}{hint(model or '', policy.llm_models)}",
        )


def allowed_model(policy: TenantPolicy | None, model: str | None, offered: tuple[str, ...]) -> str | None:
    """The model to call: the named one, else the first offered one that the tenant's policy allows."""
    if model is not None or policy is None or not policy.llm_models:
        return model
    return next((name for name in offered if name in policy.llm_models), policy.llm_models[0])


def is_spent(spent: int, limit: int | None) -> bool:
    """Whether a day's token limit is used up; None is no limit."""
    return limit is not None and spent >= limit


def next_day(now: datetime) -> datetime:
    """The time at which the daily limit is reset."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)


def submitted_id(job_id: UUID) -> UUID:
    """The id of the enhancement that a job requests at its submission: the same however often it is sent."""
    return uuid5(job_id, "enhancement")
