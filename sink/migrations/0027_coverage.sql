-- How much of the speech has no words, and which language a stretch of speech is in.

ALTER TABLE jobs
    ADD COLUMN IF NOT EXISTS speech double precision,     -- seconds in which somebody speaks; NULL: not measured
    ADD COLUMN IF NOT EXISTS uncovered double precision;  -- seconds of them without words
ALTER TABLE segments ADD COLUMN IF NOT EXISTS language text;  -- NULL: nobody looked
