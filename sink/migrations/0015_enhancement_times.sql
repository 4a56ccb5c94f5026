-- A call of the enhanced-AI service gets its time when its job has ended, and loses it when the job begins anew: whoever
-- looks for work meets only what can be done. Calls of older processes have times of their own; whoever leases looks at
-- the job once more.
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
