-- Lists, counts and leases whose cost grows neither with what one tenant has waiting nor with what has ended.

-- pages of a tenant's endpoints
CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant, created_at, endpoint_id);
CREATE INDEX webhook_endpoints_disabled ON webhook_endpoints (endpoint_id) WHERE state = 'disabled';

-- A call gets its time when its job has ended, and loses it when the job begins anew: whoever looks for work meets only
-- what can be done. Older processes give every call a time; they and their calls look at the job when they lease.
ALTER TABLE enhancement_calls ALTER COLUMN next_attempt_at DROP NOT NULL;

-- A session keeps the plan that it made while there were few calls. So that it is the one by the index of jobs, no other
-- index fits what is asked here.
CREATE FUNCTION scribe_enhancements_follow() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF NEW.state IN ('completed', 'failed', 'cancelled') THEN
        UPDATE enhancement_calls SET next_attempt_at = now()
            WHERE job_id = NEW.job_id AND tenant IS NOT DISTINCT FROM NEW.tenant AND run <= NEW.run
                AND state NOT IN ('completed', 'failed') AND next_attempt_at IS NULL;
        IF FOUND THEN
            NOTIFY scribe_enhancements;
        END IF;
    ELSE
        UPDATE enhancement_calls SET next_attempt_at = NULL
            WHERE job_id = NEW.job_id AND state NOT IN ('completed', 'failed') AND lease_token IS NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER enhancements_of_ended AFTER INSERT ON jobs FOR EACH ROW
    WHEN (NEW.state IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION scribe_enhancements_follow();
CREATE TRIGGER enhancements_follow AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN ((NEW.state IN ('completed', 'failed', 'cancelled')) <> (OLD.state IN ('completed', 'failed', 'cancelled')))
    EXECUTE FUNCTION scribe_enhancements_follow();

-- behind the triggers, whose lock keeps every job as it is until the end of this transaction
UPDATE enhancement_calls c SET next_attempt_at = NULL WHERE state = 'pending' AND lease_token IS NULL AND NOT EXISTS (
    SELECT FROM jobs j WHERE j.job_id = c.job_id AND j.tenant = c.tenant AND j.run >= c.run
        AND j.state IN ('completed', 'failed', 'cancelled')
);

CREATE INDEX enhancement_calls_queued ON enhancement_calls (tenant, next_attempt_at) WHERE state = 'pending';
DROP INDEX enhancement_calls_pending;
