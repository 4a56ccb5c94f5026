"""Policies of tenants: nonsense is told field by field, and a change leaves all else as it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.errors import Permanent
from schemas.events import TenantPolicy
from schemas.tenants.policies import check_new_policy, check_policy, merged, mistakes
from tests.samples import AT

NOW = AT + timedelta(days=1)
POLICY = TenantPolicy(
    tenant="acme",
    allowed_hosts=("media.example",),
    allowed_prefixes=("s3://bucket/acme/",),
    models=("large-v3",),
    quotas={"queued": 100},
    retention_days={"audio": 30},
    inline=False,
    enhanced_ai=True,
    llm_models=("small",),
    at=AT,
)


def test_a_policy_that_says_everything_is_in_order() -> None:
    assert check_policy(POLICY, NOW) is POLICY


BAD: list[tuple[str, dict[str, Any]]] = [
    ("retention_days.sound", {"retention_days": {"sound": 7}}),
    ("retention_days.audio", {"retention_days": {"audio": -7}}),
    ("quotas.wishes", {"quotas": {"wishes": 3}}),
    ("quotas.queued", {"quotas": {"queued": -1}}),
    ("quotas.queued", {"quotas": {"queued": 2**63 - 1}}),
    ("allowed_hosts", {"allowed_hosts": ("https://media.example",)}),
    ("allowed_hosts", {"allowed_hosts": ("Media.example",)}),
    ("allowed_hosts", {"allowed_hosts": ("",)}),
    ("allowed_prefixes", {"allowed_prefixes": ("/etc",)}),
    ("allowed_prefixes", {"allowed_prefixes": ("s3:///key",)}),
    ("models", {"models": ("a\x00b",)}),
    ("llm_models", {"llm_models": ("m" * 300,)}),
    ("llm_models", {"llm_models": ("m",) * 1001}),
    ("at", {"at": datetime(9998, 1, 1, tzinfo=UTC)}),
    ("at", {"at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - what must be refused
]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("allowed_hosts", {"allowed_hosts": ("münchen.example",)}),
        ("allowed_prefixes", {"allowed_prefixes": ("s3://bucket",)}),
        ("allowed_prefixes", {"allowed_prefixes": ("s3://Bucket & co/",)}),
        ("quotas.wishes", {"quotas": {"wishes": 3}}),
    ],
    ids=str,
)
def test_what_readers_bear_with_is_told_before_it_is_published(field: str, changes: dict[str, Any]) -> None:
    assert check_new_policy(POLICY, NOW) is POLICY
    with pytest.raises(Permanent, match=field) as caught:
        check_new_policy(replace(POLICY, **changes), NOW)
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(("field", "changes"), BAD, ids=str)
def test_nonsense_is_told_by_its_field(field: str, changes: dict[str, Any]) -> None:
    policy = replace(POLICY, **changes)
    assert [name for name, _ in mistakes(policy, NOW)] == [field]
    with pytest.raises(Permanent, match=field) as caught:
        check_policy(policy, NOW)
    assert caught.value.code == "invalid_request"


def test_a_tenant_that_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(Permanent, match="tenant must be"):
        check_policy(replace(POLICY, tenant="../acme"), NOW)


def test_a_change_leaves_all_else_as_it_was() -> None:
    changed = merged("acme", POLICY, NOW, retention={"transcripts": 90}, quotas={}, inline=True)
    assert changed == replace(POLICY, retention_days={"audio": 30, "transcripts": 90}, inline=True, at=NOW)
    assert merged("acme", changed, NOW, retention={"audio": None}, quotas={"queued": None}) == replace(
        changed, retention_days={"transcripts": 90}, quotas={}, at=NOW + timedelta(microseconds=1)
    )


def test_the_first_change_makes_the_policy() -> None:
    made = merged("globex", None, NOW, retention={}, quotas={}, enhanced_ai=True)
    assert made == TenantPolicy(tenant="globex", enhanced_ai=True, at=NOW)


def test_a_change_is_later_than_what_it_changes_whatever_the_clocks_say() -> None:
    ahead = replace(POLICY, at=NOW + timedelta(minutes=5))
    assert merged("acme", ahead, NOW, retention={}, quotas={}).at > ahead.at
