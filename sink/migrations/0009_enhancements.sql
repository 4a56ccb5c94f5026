-- Enhanced AI: what is to be asked and when, the answers so far, what came of it, and what it cost.

CREATE TABLE enhancement_calls (            -- the schedule; the dispatcher's
    enhancement_id  uuid PRIMARY KEY,
    job_id          uuid NOT NULL,          -- its row may come later
    tenant          text NOT NULL,
    run             integer NOT NULL,
    summarization   boolean NOT NULL,
    entity_extraction boolean NOT NULL,
    llm_model       text,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'completed', 'failed')),
    attempt         integer NOT NULL DEFAULT 0,     -- begun, without those that found the service away
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    lease_token     uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz
);
CREATE INDEX enhancement_calls_pending ON enhancement_calls (next_attempt_at) WHERE state = 'pending';
CREATE INDEX enhancement_calls_leased ON enhancement_calls (tenant) WHERE lease_token IS NOT NULL;
CREATE INDEX enhancement_calls_by_job ON enhancement_calls (job_id);

CREATE TABLE enhancement_answers (          -- paid for: a crash repeats none; gone with the end of the call
    enhancement_id  uuid NOT NULL REFERENCES enhancement_calls ON DELETE CASCADE,
    tenant          text NOT NULL,
    step            text NOT NULL,
    answer          text NOT NULL,
    tokens          bigint NOT NULL,
    PRIMARY KEY (enhancement_id, step)
);

CREATE TABLE enhancements (                 -- what clients read; the persist app's
    enhancement_id  uuid PRIMARY KEY,
    job_id          uuid NOT NULL,
    tenant          text NOT NULL,
    run             integer NOT NULL,
    event_id        uuid NOT NULL,
    outcome         text NOT NULL,
    summary         text,
    entities        jsonb NOT NULL DEFAULT '[]',
    model           text,
    tokens          bigint NOT NULL DEFAULT 0,
    error           jsonb,                  -- JobError as JSON
    completed_at    timestamptz NOT NULL
);
CREATE INDEX enhancements_by_job ON enhancements (job_id);

CREATE TABLE enhanced_ai_spending (         -- tokens by day (UTC)
    tenant  text NOT NULL,
    day     date NOT NULL,
    tokens  bigint NOT NULL,
    PRIMARY KEY (tenant, day)
);
CREATE INDEX enhanced_ai_spending_by_day ON enhanced_ai_spending (day);

DO $$
BEGIN
    PERFORM scribe_secure('enhancement_calls', 'SELECT, INSERT, UPDATE');
    PERFORM scribe_secure('enhancements', 'SELECT');
    PERFORM scribe_secure('enhancement_answers', 'SELECT, DELETE');
    PERFORM scribe_secure('enhanced_ai_spending', '');
END $$;
