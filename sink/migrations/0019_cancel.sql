-- Who asked for a job to be stopped: the run up to which, and when.

ALTER TABLE jobs
    ADD COLUMN cancelled_run       integer NOT NULL DEFAULT 0,
    ADD COLUMN cancel_requested_at timestamptz;
