-- The lines of the transactions since some moment.
CREATE INDEX CONCURRENTLY job_events_by_xid ON job_events (xid) WHERE xid IS NOT NULL;
