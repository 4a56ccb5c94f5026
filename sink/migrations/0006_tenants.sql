-- What each tenant may do, as scribe.tenants says: read where text leaves and where time is over.

CREATE TABLE tenant_policies (
    tenant  text PRIMARY KEY,
    policy  jsonb NOT NULL,                 -- TenantPolicy as JSON
    at      timestamptz NOT NULL            -- of the policy: an older one never replaces a newer one
);
