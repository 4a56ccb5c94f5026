-- A segment is found by the way of its own language, and as one in it: recordings may be in several. Segments of which nobody
-- knows it are in the language of their job, as all of them were taken before. Those that are there already are indexed
-- anew by `scribe database index`, in small transactions; until then they are found as before.

CREATE OR REPLACE FUNCTION scribe_search_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM segment_search s USING removed r WHERE s.job_id = r.job_id AND s.position = r.position;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO segment_search (job_id, position, tenant, language, requested_at, words)
            SELECT a.job_id, a.position, j.tenant, by.language, j.requested_at,
                scribe_search_vector(j.tenant, by.language, a.text)
            FROM added a JOIN jobs j USING (job_id) CROSS JOIN LATERAL (SELECT COALESCE(a.language, j.language) AS language) AS by;
    END IF;
    RETURN NULL;
END $$;
