"""Consent and models: no policy is no consent, and nobody asks for a model that is not offered to them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from schemas.errors import Permanent
from schemas.events import TenantPolicy
from schemas.tenants.enhancement_consent import (
    allowed_model,
    check_allowed,
    check_model,
    check_wishes,
    is_spent,
    next_day,
    submitted_id,
)
from tests.samples import AT

OPEN = TenantPolicy(tenant="acme", enhanced_ai=True, at=AT)
SMALL = TenantPolicy(tenant="acme", enhanced_ai=True, llm_models=("small",), at=AT)
CLOSED = TenantPolicy(tenant="acme", at=AT)


@pytest.mark.parametrize(
    ("policy", "model", "code"),
    [
        (None, None, "consent_missing"),
        (CLOSED, None, "consent_missing"),
        (OPEN, None, None),
        (OPEN, "large", None),
        (SMALL, "small", None),
        (SMALL, None, None),
        (SMALL, "large", "unknown_llm_model"),
    ],
)
def test_text_leaves_only_where_the_policy_says_so(
    policy: TenantPolicy | None, model: str | None, code: str | None
) -> None:
    if code is None:
        check_allowed(policy, model)
        return
    with pytest.raises(Permanent) as caught:
        check_allowed(policy, model)
    assert caught.value.code == code


def test_only_offered_models_may_be_named() -> None:
    check_model(None, ())
    check_model("small", ("small", "large"))
    with pytest.raises(Permanent, match="there are small, large"):
        check_model("huge", ("small", "large"))
    with pytest.raises(Permanent, match="only the default one"):
        check_model("huge", ())


@pytest.mark.parametrize(
    ("policy", "model", "offered", "asked"),
    [
        (OPEN, None, ("a", "b"), None),
        (OPEN, "b", ("a", "b"), "b"),
        (SMALL, None, ("large", "small"), "small"),
        (SMALL, None, (), "small"),
    ],
)
def test_the_default_is_one_that_the_tenant_may_use(
    policy: TenantPolicy, model: str | None, offered: tuple[str, ...], asked: str | None
) -> None:
    assert allowed_model(policy, model, offered) == asked


def test_a_wish_must_be_there() -> None:
    check_wishes(summarization=True, entity_extraction=False)
    with pytest.raises(Permanent, match="must be true"):
        check_wishes(summarization=False, entity_extraction=False)


def test_a_days_limit_is_whole_again_at_midnight() -> None:
    assert [is_spent(99, 100), is_spent(100, 100), is_spent(10**9, None), is_spent(0, 0)] == [False, True, False, True]
    assert next_day(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_job_sent_again_asks_for_the_same_enhancement() -> None:
    assert submitted_id(UUID(int=1)) == submitted_id(UUID(int=1)) != submitted_id(UUID(int=2))
