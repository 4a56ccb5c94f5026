-- The jobs that completed last, by which the pace of the service is measured.

CREATE INDEX CONCURRENTLY jobs_recently_completed ON jobs (completed_at) WHERE state = 'completed';
