-- Records that operators sent again or set aside for good, written down before it is done.

CREATE TABLE replayed_records (
    topic       text NOT NULL,              -- where the record was read
    partition   integer NOT NULL,
    record_offset bigint NOT NULL,
    number      integer NOT NULL,           -- 1 at first
    action      text NOT NULL CHECK (action IN ('redrive', 'discard', 'replay')),
    replay_id   uuid NOT NULL,              -- of the command; also in the header of what it sent
    tenant      text NOT NULL,              -- '' when the record names none
    job_id      uuid,
    run         integer,                    -- the run that begins with it
    by          text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    done_at     timestamptz,                -- when the broker had confirmed it
    PRIMARY KEY (topic, partition, record_offset, number),
    UNIQUE (job_id, run)
);
CREATE INDEX replayed_records_by_time ON replayed_records (at);
CREATE INDEX replayed_records_by_replay ON replayed_records (replay_id);

SELECT scribe_secure('replayed_records', '');
