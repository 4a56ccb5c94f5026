-- Full-text search over transcripts: one row a segment beside it, filled by the database itself, whoever writes segments.
--
-- A table of its own: a column of `segments`, generated or filled by a trigger, would need a rewrite or an index that is
-- built while nobody may write, and its rows are wide with words. Here the index begins empty. Transcripts that are there
-- already are indexed by `scribe database index`, in small transactions.

CREATE TABLE segment_search (
    job_id       uuid NOT NULL,
    position     integer NOT NULL,
    tenant       text NOT NULL,
    language     text,
    requested_at timestamptz NOT NULL,
    words        tsvector NOT NULL,
    PRIMARY KEY (job_id, position)
);
-- what is added lately is in a list that every search reads whole, so it is kept short
CREATE INDEX segment_search_words ON segment_search USING gin (words) WITH (gin_pending_list_limit = 1024);
-- a word that is everywhere is found soonest by walking from the newest row
CREATE INDEX segment_search_newest ON segment_search (tenant, requested_at DESC, job_id DESC, position);
-- tenants ask through scribe_search() only
DO $$ BEGIN PERFORM scribe_secure('segment_search', ''); END $$;

-- The way in which a language is searched. PostgreSQL has no stemmer for Hebrew; ours is below.
CREATE FUNCTION scribe_search_kind(language text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE split_part(lower(language), '-', 1) WHEN 'en' THEN 'english' WHEN 'he' THEN 'hebrew' WHEN 'iw' THEN 'hebrew' ELSE 'simple' END
$$;

-- Text as the parser of every server reads it alike: one form of each letter, no invisible marks, no quotes and dashes
-- beyond ASCII, which a database with the locale C takes for letters. More than 50,000 characters of one segment are not
-- searched: a tsvector has room for 1 MB.
CREATE FUNCTION scribe_search_text(given text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN given !~ '[^\x01-\x7eא-ת]' THEN left(given, 50000) ELSE left(regexp_replace(regexp_replace(
        translate(normalize(left(given, 50000), NFKC), '“”„‟«»״‘’‚‛׳', '"""""""'''''''''''),
        '[\u00ad\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]', '', 'g'),
        '[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u05be\u05c0\u05c3\u05c6\u060c\u061b\u061f\u06d4\u2000-\u206f\u3000-\u303f\ufffc\ufffd]',
        ' ', 'g'), 50000) END
$$;

-- Hebrew on top of that: a final letter is the letter, and the marks inside abbreviations and foreign sounds go, so that
-- צה"ל is צהל. Vowel points and cantillation are gone already.
CREATE FUNCTION scribe_hebrew_text(given text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(CASE WHEN plain ~ '["'']' THEN regexp_replace(plain, '(?<=[א-ת])["''](?=[א-ת])', '', 'g') ELSE plain END,
        'ךםןףץ', 'כמנפצ')
    FROM scribe_search_text(given) AS plain
$$;

-- Adds to every Hebrew word its forms without the letters that may be prefixes, in the order in which the language
-- strings them, at the place of the word: for ושבבית also שבבית, בבית and בית. At least three letters stay, two behind a
-- lone ו or ה, or every search would find half the language.
CREATE FUNCTION scribe_hebrew_forms(words tsvector) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat_ws(' ', v,
        regexp_replace(v, '''(?:[בכלמש](?=[א-ת]{3})|[וה](?=[א-ת]{2}))', '''', 'g'),
        regexp_replace(v, '''(?:ו[בהכלמש]|ש[בהכלמ]|כש|מש|לכ|[בכלמ]ה)(?=[א-ת]{3})', '''', 'g'),
        regexp_replace(v, '''(?:(?:וש|כש|מש)[בהכלמ]|וכש|ומש|לכש|[וש][בכלמ]ה)(?=[א-ת]{3})', '''', 'g'),
        regexp_replace(v, '''(?:וכש[בהכלמ]|ולכש|וש[בכלמ]ה)(?=[א-ת]{3})', '''', 'g'))::tsvector
    FROM CAST(words AS text) AS v
$$;

-- What a text is found by.
CREATE FUNCTION scribe_search_words(kind text, given text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE kind
        WHEN 'english' THEN to_tsvector('english', scribe_search_text(given))
        WHEN 'hebrew' THEN scribe_hebrew_forms(to_tsvector('english', scribe_hebrew_text(given)))
        ELSE to_tsvector('simple', scribe_search_text(given)) END
$$;

-- What a person asks for, in the syntax of websearch_to_tsquery. In Hebrew a word is looked for in each of its forms,
-- one in quotation marks as it is written (with any prefix before it).
CREATE FUNCTION scribe_search_query(kind text, given text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    plain text := CASE kind WHEN 'hebrew' THEN scribe_hebrew_text(given) ELSE scribe_search_text(given) END;
    tree tsquery := websearch_to_tsquery(CASE kind WHEN 'simple' THEN 'simple' ELSE 'english' END::regconfig, plain);
    word text;
BEGIN
    IF kind = 'hebrew' THEN
        FOR word IN
            SELECT DISTINCT unnest(regexp_matches(regexp_replace(plain, '"[^"]*("|$)', ' ', 'g'), '[א-ת]+', 'g'))
        LOOP
            tree := ts_rewrite(tree, word::tsquery, (
                SELECT string_agg(form, ' | ') FROM unnest(tsvector_to_array(scribe_hebrew_forms(word::tsvector))) AS form
            )::tsquery);
        END LOOP;
    END IF;
    RETURN tree;
END $$;

-- The tenant and the way of searching are a word of every row, so that the index itself keeps tenants apart: nobody's
-- search costs more when others have more. It has a space, which no word of a text has.
CREATE FUNCTION scribe_search_scope(tenant text, kind text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT tenant || ' ' || kind $$;

CREATE FUNCTION scribe_search_vector(tenant text, language text, given text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(ARRAY[scribe_search_scope(tenant, scribe_search_kind(language))])
        || scribe_search_words(scribe_search_kind(language), given)
$$;

-- A query for the rows of the transaction's tenant, by the way of the language it names or by every way. Ways by which it
-- names no word that must be there are left out, since they would find everything; NULL when none is left.
CREATE FUNCTION scribe_search_asked(asked text, wanted text) RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
    whole tsquery;
    part tsquery;
    kind text;
BEGIN
    FOREACH kind IN ARRAY CASE WHEN wanted IS NULL THEN '{english,hebrew,simple}' ELSE ARRAY[scribe_search_kind(wanted)] END LOOP
        part := scribe_search_query(kind, asked);
        IF querytree(part) NOT IN ('', 'T') THEN
            part := quote_literal(scribe_search_scope(scribe_own_tenant(), kind))::tsquery && part;
            whole := COALESCE(whole || part, part);
        END IF;
    END LOOP;
    RETURN whole;
END $$;

-- The words that a query wants to be there.
CREATE FUNCTION scribe_search_lexemes(kind text, asked text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT COALESCE(array_agg(replace(replace(found[1], '''''', ''''), '\\', '\')), '{}')
    FROM regexp_matches(querytree(scribe_search_query(kind, asked)), '''((?:[^'']|'''')+)''', 'g') AS found
$$;

-- Where the transcripts of the transaction's tenant have what is asked for, from behind a place: the newest first, and
-- each in its own order. It reads as the owner: under row security PostgreSQL would read every row of the tenant instead
-- of the index, since the operator @@ is not proof against leaks.
CREATE FUNCTION scribe_search(
    asked text, wanted text, before_at timestamptz, before_job uuid, before_position integer, most integer
) RETURNS TABLE (job_id uuid, "position" integer, requested_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    own CONSTANT text := scribe_own_tenant();
    tree CONSTANT tsquery := scribe_search_asked(asked, wanted);
BEGIN
    RETURN QUERY SELECT s.job_id, s.position, s.requested_at FROM segment_search s
        WHERE s.words @@ tree AND s.tenant = own AND (wanted IS NULL OR s.language = wanted)
            AND (before_at IS NULL
                OR (s.requested_at, s.job_id, -s.position) < (before_at, before_job, -before_position))
        ORDER BY s.requested_at DESC, s.job_id DESC, s.position LIMIT most;
END $$;

-- Follows every change of segments, one statement for each of theirs.
CREATE FUNCTION scribe_search_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM segment_search s USING removed r WHERE s.job_id = r.job_id AND s.position = r.position;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO segment_search (job_id, position, tenant, language, requested_at, words)
            SELECT a.job_id, a.position, j.tenant, j.language, j.requested_at,
                scribe_search_vector(j.tenant, j.language, a.text)
            FROM added a JOIN jobs j USING (job_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER search_added AFTER INSERT ON segments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION scribe_search_follow();
CREATE TRIGGER search_changed AFTER UPDATE ON segments REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION scribe_search_follow();
CREATE TRIGGER search_removed AFTER DELETE ON segments REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION scribe_search_follow();
