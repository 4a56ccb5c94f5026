"""Policies as a GPU process knows them: the latest counts, in whatever order they come."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.policies import Policies
from schemas.errors import Permanent
from schemas.events import TenantPolicy
from schemas.tenants.permissions import free_policy
from tests.samples import AT

POLICY = TenantPolicy(tenant="acme", models=("turbo",), at=AT)


@given(st.lists(st.integers(0, 9), min_size=1))
def test_the_latest_counts(order: list[int]) -> None:
    policies = Policies()
    for hour in order:
        policies.add(replace(POLICY, at=AT + timedelta(hours=hour)))
    assert policies.in_force("acme").at == policies.admit("acme").at == AT + timedelta(hours=max(order))
    assert len(policies) == 1


def test_who_is_not_known_may_be_denied_and_jobs_that_were_let_in_go_on() -> None:
    denying = Policies("deny")
    with pytest.raises(Permanent) as caught:
        denying.admit("acme")
    assert caught.value.code == "unknown_tenant"
    assert denying.in_force("acme") == Policies().admit("acme") == free_policy("acme")
    denying.add(POLICY)
    assert denying.admit("acme") == POLICY
