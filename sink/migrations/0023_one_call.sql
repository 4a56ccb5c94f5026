-- What clients do most, each in one call: handing in a job, and asking for one. A call is a transaction and a round trip of its
-- own, and PostgreSQL keeps the plans of what is in it, also behind a proxy that pools transactions.

-- From here to the end of the transaction the rows of one tenant are seen and no others, as Database.as_tenant has it.
CREATE FUNCTION scribe_act_for(tenant text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', 'scribe_tenant', true), set_config('scribe.tenant', tenant, true);
END $$;

-- Accepts a job for its tenant: its row, the first line of its history and its outbox row, or none of them.
--
-- accepted: all three stand.
-- known: the id is taken, by the tenant's own job, which `job` is then, or by another's; or its job was erased.
-- full: `most_waiting` jobs of the tenant wait for their turn already; null: any number may.
-- stale: the tenant's policy is not the one of `policy_at`, 1970 if there was none; null: nobody asks for it.
CREATE FUNCTION scribe_accept_job(
    new_id uuid, new_tenant text, new_recording text, new_run integer, new_request jsonb, new_fingerprint bytea,
    new_requested_at timestamptz,
    record_topic text, record_key bytea, record_value bytea, record_headers jsonb,
    most_waiting integer, policy_at timestamptz,
    OUT acceptance text, OUT job jobs
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM scribe_act_for(new_tenant);
    IF policy_at <> COALESCE((SELECT p.at FROM tenant_policies p WHERE p.tenant = new_tenant), 'epoch') THEN
        acceptance := 'stale';
        RETURN;
    END IF;
    -- the lock of sink/job_lock.py
    PERFORM pg_advisory_xact_lock(hashtextextended(new_id::text, 0));
    IF most_waiting IS NOT NULL AND NOT EXISTS (SELECT FROM jobs WHERE job_id = new_id) THEN
        -- nobody else counts the tenant's jobs until the transaction ends; taken after the lock of a job, never before
        PERFORM pg_advisory_xact_lock(hashtextextended(new_tenant, 1));
        IF most_waiting <= (SELECT count(*) FROM (SELECT FROM jobs
            WHERE tenant = new_tenant AND completed_at IS NULL AND state = 'queued' LIMIT most_waiting) AS waiting) THEN
            acceptance := 'full';
            RETURN;
        END IF;
    END IF;
    INSERT INTO jobs AS j (job_id, tenant, recording_id, run, state, request, fingerprint, requested_at)
    SELECT new_id, new_tenant, new_recording, new_run, 'queued', new_request, new_fingerprint, new_requested_at
    WHERE NOT scribe_is_erased(new_id)
    ON CONFLICT (job_id) DO NOTHING
    RETURNING j.* INTO job;
    IF NOT FOUND THEN
        acceptance := 'known';
        SELECT j.* INTO job FROM jobs j WHERE j.job_id = new_id AND j.tenant = new_tenant;
        RETURN;
    END IF;
    INSERT INTO job_events (job_id, run, state, at) VALUES (new_id, new_run, 'queued', new_requested_at);
    INSERT INTO outbox (topic, key, value, headers) VALUES (record_topic, record_key, record_value, record_headers);
    -- as sink/outbox.py does it
    PERFORM pg_notify('scribe_outbox', '');
    acceptance := 'accepted';
END $$;

-- A tenant's job with its history and what was asked about it later, both oldest first; `job` is null when there is none.
CREATE FUNCTION scribe_read_job(asked_id uuid, asked_tenant text, OUT job jobs, OUT history jsonb, OUT enhancements jsonb)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM scribe_act_for(asked_tenant), set_config('transaction_read_only', 'on', true);
    SELECT j.* INTO job FROM jobs j WHERE j.job_id = asked_id AND j.tenant = asked_tenant;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT jsonb_agg(jsonb_build_object('run', h.run, 'state', h.state, 'detail', h.detail, 'at', h.at) ORDER BY h.id)
    INTO history FROM job_events h WHERE h.job_id = asked_id;
    SELECT jsonb_agg(
        jsonb_build_object('enhancement_id', c.enhancement_id, 'state', CASE WHEN e.enhancement_id IS NOT NULL THEN e.outcome
            WHEN c.lease_until > now() THEN 'running' ELSE 'queued' END) ORDER BY c.created_at, c.enhancement_id)
    INTO enhancements FROM enhancement_calls c
    LEFT JOIN enhancements e ON e.enhancement_id = c.enhancement_id AND e.run >= c.run
    WHERE c.job_id = asked_id AND c.tenant = asked_tenant AND c.cleared_at IS NULL;
END $$;

-- The same rows as before. In the form with EXISTS a plan that was made when the tables were small reads all jobs of the tenant
-- for the history of one; this form has no other plan than to look for the one job by its key.
ALTER POLICY own_rows ON job_events
    USING ((SELECT parent.tenant FROM jobs parent WHERE parent.job_id = job_events.job_id) = scribe_own_tenant())
    WITH CHECK ((SELECT parent.tenant FROM jobs parent WHERE parent.job_id = job_events.job_id) = scribe_own_tenant());
