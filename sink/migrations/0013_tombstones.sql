-- The table of tombstones has a column `asked` since 0012, which hid the argument of the same name.

CREATE OR REPLACE FUNCTION scribe_is_erased(asked uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
AS $$ SELECT EXISTS (SELECT FROM erased_jobs WHERE job_id = scribe_is_erased.asked) $$;
