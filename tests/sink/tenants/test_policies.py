"""Tenant policies: the latest one stands, whatever order they come in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.events import TenantPolicy
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.tenants.policies import apply_policy, policy_of
from tests.samples import AT

pytestmark = pytest.mark.anyio
POLICY = TenantPolicy(tenant="acme", retention_days={"audio": 7}, enhanced_ai=True, llm_models=("small",), at=AT)


async def test_an_older_policy_never_replaces_a_newer_one(database: str) -> None:
    later = replace(POLICY, inline=False, at=AT + timedelta(seconds=1))
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.transaction() as connection:
        assert await policy_of(connection, "acme") is None
        assert await apply_policy(connection, later)
        assert not await apply_policy(connection, POLICY)
        assert not await apply_policy(connection, later)
        assert await policy_of(connection, "acme") == later
