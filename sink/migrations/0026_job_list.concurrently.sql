-- Lists of a tenant's jobs, the newest first: all, those in a state, and those of a recording, each by one walk of an index.

CREATE INDEX CONCURRENTLY jobs_newest ON jobs (tenant, requested_at, job_id);
DROP INDEX CONCURRENTLY IF EXISTS jobs_by_tenant;
CREATE INDEX CONCURRENTLY jobs_newest_by_state ON jobs (tenant, state, requested_at, job_id);
CREATE INDEX CONCURRENTLY jobs_newest_by_recording ON jobs (tenant, recording_id, requested_at, job_id) WHERE recording_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS jobs_by_recording;
