-- What people changed in a transcript, beside the segments that a machine made, which stay as they are. A revision belongs
-- to the run whose transcript it changes, and holds what is new since the one before it.

CREATE TABLE transcript_revisions (
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number      integer NOT NULL CHECK (number > 0),    -- counted from 1 through all runs of the job
    run         integer NOT NULL,
    tenant      text NOT NULL,
    key_id      text NOT NULL,              -- whose key made it
    changes     jsonb NOT NULL,             -- TranscriptChanges of schemas/requests/revisions/changes.py
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, number)
);

DO $$ BEGIN PERFORM scribe_secure('transcript_revisions', 'SELECT, INSERT'); END $$;

-- What the last revision of a run that changes it makes of a segment's `part`, which is 'text' or 'speaker'; NULL: nothing.
CREATE FUNCTION scribe_corrected(asked_job uuid, asked_run integer, place integer, part text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT edit.value ->> part FROM transcript_revisions r, jsonb_array_elements(r.changes -> 'segments') AS edit (value)
    WHERE r.job_id = asked_job AND r.run = asked_run AND (edit.value ->> 'index')::integer = place
        AND edit.value ->> part IS NOT NULL
    ORDER BY r.number DESC LIMIT 1
$$;

-- The name that a run's revisions give to the speaker of a label; the label itself where they give none.
CREATE FUNCTION scribe_speaker_name(asked_job uuid, asked_run integer, label text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT COALESCE((
        SELECT r.changes -> 'speakers' ->> label FROM transcript_revisions r
        WHERE r.job_id = asked_job AND r.run = asked_run AND r.changes -> 'speakers' ->> label IS NOT NULL
        ORDER BY r.number DESC LIMIT 1
    ), label)
$$;

-- A corrected segment is found by its new words only. The job's row is locked, so that `scribe database index`, which reads
-- segments and revisions under that lock, writes no words of before behind ours.
CREATE FUNCTION scribe_search_correct() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM jobs j WHERE j.job_id = NEW.job_id AND j.tenant = NEW.tenant FOR NO KEY UPDATE;
    UPDATE segment_search s SET words = scribe_search_vector(s.tenant, s.language, edit.value ->> 'text')
        FROM jsonb_array_elements(NEW.changes -> 'segments') AS edit (value)
        WHERE s.job_id = NEW.job_id AND s.tenant = NEW.tenant AND s.position = (edit.value ->> 'index')::integer
            AND edit.value ->> 'text' IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER search_corrected AFTER INSERT ON transcript_revisions
    FOR EACH ROW EXECUTE FUNCTION scribe_search_correct();
