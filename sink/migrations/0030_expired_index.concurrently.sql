-- Jobs that expired, which are counted apart from those that failed, at every scrape of the metrics.

CREATE INDEX CONCURRENTLY jobs_expired ON jobs (job_id) WHERE state = 'failed' AND error ->> 'kind' = 'expired';
