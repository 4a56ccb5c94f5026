-- What the sweep looks for.

CREATE INDEX CONCURRENTLY jobs_ended ON jobs (tenant, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY jobs_open ON jobs (tenant) WHERE completed_at IS NULL;
CREATE INDEX CONCURRENTLY jobs_with_audio ON jobs (tenant, completed_at) WHERE audio_gone < run AND completed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY jobs_with_artifacts ON jobs (tenant, completed_at) WHERE artifacts_gone < run AND completed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY jobs_with_history ON jobs (tenant, completed_at) WHERE history_gone < run AND completed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY jobs_with_fingerprint ON jobs (tenant, completed_at) WHERE fingerprint IS NOT NULL AND completed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY jobs_by_upload ON jobs (tenant, scribe_upload(request)) WHERE scribe_upload(request) IS NOT NULL;
CREATE INDEX CONCURRENTLY jobs_by_recording ON jobs (tenant, recording_id) WHERE recording_id IS NOT NULL;
CREATE INDEX CONCURRENTLY outbox_by_key ON outbox (key);
CREATE INDEX CONCURRENTLY outbox_failed ON outbox (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX CONCURRENTLY applied_events_by_job ON applied_events (job_id);
CREATE INDEX CONCURRENTLY applied_events_by_time ON applied_events (applied_at);
CREATE INDEX CONCURRENTLY webhook_deliveries_uncleared ON webhook_deliveries (endpoint_id, ended_at)
    WHERE ended_at IS NOT NULL AND cleared_at IS NULL;
CREATE INDEX CONCURRENTLY webhook_deliveries_cleared ON webhook_deliveries (endpoint_id, ended_at)
    WHERE ended_at IS NOT NULL AND cleared_at IS NOT NULL;
CREATE INDEX CONCURRENTLY enhancements_by_time ON enhancements (tenant, completed_at);
CREATE INDEX CONCURRENTLY enhancement_calls_by_time ON enhancement_calls (tenant, COALESCE(ended_at, created_at));
CREATE INDEX CONCURRENTLY erased_jobs_due ON erased_jobs (next_look_at);
