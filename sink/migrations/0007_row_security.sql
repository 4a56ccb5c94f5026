-- A request of a tenant runs as scribe_tenant, which owns no table and sees only the rows of the tenant named in the
-- setting scribe.tenant: a statement that forgets its WHERE finds its own rows and no others.
-- The owner of the tables (relay, streams, keys) sees all rows.

-- Roles belong to the whole server, and other databases of it may be migrated at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scribe_tenant') THEN
        CREATE ROLE scribe_tenant NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- another one was quicker
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role scribe_tenant is missing and % may not make it. Let a superuser run once: '
            'CREATE ROLE scribe_tenant NOLOGIN; GRANT scribe_tenant TO %;', current_user, quote_ident(current_user)
            USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE
    -- before version 16 whoever is a member may take the role on
    right_to_take CONSTANT text := CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    FOR attempt IN 1..10 LOOP
        EXIT WHEN pg_has_role(current_user, 'scribe_tenant', right_to_take);
        BEGIN
            EXECUTE format('GRANT scribe_tenant TO %I', current_user);
        EXCEPTION
            WHEN unique_violation OR internal_error THEN NULL;  -- granted by another one at this moment
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION '% may not take on the role scribe_tenant. Let a superuser run once: '
                    'GRANT scribe_tenant TO %;', current_user, quote_ident(current_user)
                    USING ERRCODE = 'insufficient_privilege';
        END;
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO scribe_tenant', current_schema());
END $$;

-- null when nobody is named: the end of a transaction leaves an empty text behind
CREATE FUNCTION scribe_own_tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('scribe.tenant', true), '') $$;

-- Puts a table under row security and gives tenants `rights` on their own rows, such as 'SELECT, INSERT' ('' for none).
-- A row is its column `tenant`'s, or whose the row of `parent` with the same `key` is.
CREATE FUNCTION scribe_secure(target regclass, rights text, parent regclass DEFAULT NULL, key name DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- the parent is read under its own policy
    own CONSTANT text := CASE WHEN parent IS NULL THEN 'tenant = scribe_own_tenant()'
        ELSE format('EXISTS (SELECT FROM %1$s AS parent WHERE parent.%2$I = %3$s.%2$I)', parent, key, target) END;
BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = parent AND NOT relrowsecurity) THEN
        RAISE EXCEPTION 'secure % before %', parent, target;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY own_rows ON %s TO scribe_tenant USING (%s) WITH CHECK (%s)', target, own, own);
    IF rights <> '' THEN
        EXECUTE format('GRANT %s ON %s TO scribe_tenant', rights, target);
    END IF;
END $$;

-- Whether a job was erased. Tombstones name no tenant, so tenants may ask for one and not read the table.
CREATE FUNCTION scribe_is_erased(asked uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
AS $$ SELECT EXISTS (SELECT FROM erased_jobs WHERE job_id = asked) $$;

-- what a tenant's request writes is its own without saying so; rows of the owner have none
ALTER TABLE outbox ADD COLUMN tenant text DEFAULT scribe_own_tenant();

DO $$
BEGIN
    PERFORM scribe_secure('api_keys', '');
    PERFORM scribe_secure('tenant_policies', 'SELECT');
    PERFORM scribe_secure('jobs', 'SELECT, INSERT');
    PERFORM scribe_secure('job_events', 'SELECT, INSERT', 'jobs', 'job_id');
    PERFORM scribe_secure('segments', 'SELECT', 'jobs', 'job_id');
    PERFORM scribe_secure('applied_events', 'SELECT', 'jobs', 'job_id');
    PERFORM scribe_secure('outbox', 'INSERT');
    PERFORM scribe_secure('webhook_endpoints', 'SELECT');
    PERFORM scribe_secure('webhook_deliveries', 'SELECT', 'webhook_endpoints', 'endpoint_id');
    PERFORM scribe_secure('webhook_attempts', 'SELECT', 'webhook_deliveries', 'delivery_id');
END $$;

-- read by nobody but the owner
ALTER TABLE erased_jobs ENABLE ROW LEVEL SECURITY;
