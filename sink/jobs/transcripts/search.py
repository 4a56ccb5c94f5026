"""Full-text search over the transcripts of a tenant.

The search configuration of each language is in the database (migrations 0008 and 0028), which indexes every segment in
its own language as it is written, and anew when a revision corrects its text (migration 0036).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from psycopg.rows import DictRow

from schemas.errors import Rejected
from schemas.requests.recording_names import recording_name
from schemas.vocabulary.job_states import JobState
from sink.postgres.database import Connection, Database
from sink.postgres.sanitize import sanitize_text
from sink.postgres.statement_timeout import SECONDS, limited

MAX_QUERY_CHARS = 256
SNIPPET_WORDS = 30
_BEFORE_MATCH = 8  # words of a snippet before the first that was asked for
_JOBS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """The position of a hit in the result order: the newest job first, then in the job's own order."""

    requested_at: datetime
    job_id: UUID
    position: int


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a snippet; `match`: it matches the query."""

    text: str
    match: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A segment that matches the query; times in seconds of the recording."""

    job_id: UUID
    recording_id: str | None
    name: str | None
    """What people call the recording."""
    language: str | None
    """Of the segment."""
    requested_at: datetime
    position: int
    start: float
    end: float
    speaker: str | None
    snippet: tuple[Snippet, ...]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Hits, and the cursor of the next page; `too_common` are words that are not indexed in English transcripts."""

    hits: tuple[Hit, ...]
    more_after: SearchCursor | None
    too_common: tuple[str, ...] = ()


# under row security: only the places come from an index that is read as the owner, all that is told of them from here
_SEARCH = r"""
SELECT m.job_id, m.requested_at, m.position, j.recording_id, j.request -> 'source' AS source, s.start_s, s.end_s, scribe_speaker_name(j.job_id, j.run, COALESCE(scribe_corrected(j.job_id, j.run, s.position, 'speaker'), s.speaker)) AS speaker, by.language, snippet.words, snippet.marks
FROM scribe_search(%(text)s, %(language)s, %(at)s, %(job_id)s, %(position)s, %(most)s) AS m
LEFT JOIN jobs j ON j.job_id = m.job_id
LEFT JOIN segments s ON s.job_id = m.job_id AND s.position = m.position
CROSS JOIN LATERAL (
    SELECT scribe_search_kind(language) AS kind, language FROM COALESCE(s.language, j.language) AS language
) AS by
CROSS JOIN LATERAL (SELECT scribe_search_lexemes(by.kind, %(text)s) AS lexemes OFFSET 0) AS wanted
CROSS JOIN LATERAL (
    SELECT array_agg(word ORDER BY n) AS words,
        array_agg(tsvector_to_array(scribe_search_words(by.kind, word)) && wanted.lexemes ORDER BY n) AS marks
    FROM regexp_split_to_table(left(btrim(COALESCE(scribe_corrected(j.job_id, j.run, s.position, 'text'), s.text)), 2000), '\s+') WITH ORDINALITY AS t (word, n)
) AS snippet
ORDER BY m.requested_at DESC, m.job_id DESC, m.position"""

# the stop words of English, which the index has of no transcript but those in other languages; `or` is an operator
_ASKED = """
SELECT scribe_search_asked(%(text)s, %(language)s) IS NULL AS for_nothing, ARRAY(
    SELECT word FROM unnest(to_tsvector('simple', scribe_search_text(%(text)s))) AS t (word, places)
    WHERE (%(language)s IS NULL OR scribe_search_kind(%(language)s) <> 'simple')
        AND to_tsvector('english', word) = '' AND word <> 'or'
    ORDER BY places[1]) AS too_common"""

# a job's row is locked before its segments are read: its result may arrive meanwhile
_LOCK_JOBS = f"""
SELECT job_id FROM jobs WHERE job_id > %s AND state = '{JobState.COMPLETED}' ORDER BY job_id LIMIT %s FOR NO KEY UPDATE"""  # noqa: S608 - our own words

# before 0028 every segment was taken to be in the language of its job
_TAKE_OUT = """
DELETE FROM segment_search x USING segments s JOIN jobs j USING (job_id)
WHERE x.job_id = ANY(%s) AND x.job_id = s.job_id AND x.position = s.position
    AND x.language IS DISTINCT FROM COALESCE(s.language, j.language)"""

_INDEX = """
INSERT INTO segment_search (job_id, position, tenant, language, requested_at, words)
SELECT j.job_id, s.position, j.tenant, by.language, j.requested_at, scribe_search_vector(
    j.tenant, by.language, COALESCE(scribe_corrected(j.job_id, j.run, s.position, 'text'), s.text))
FROM jobs j JOIN segments s USING (job_id) CROSS JOIN LATERAL COALESCE(s.language, j.language) AS by (language)
WHERE j.job_id = ANY(%s)
    AND NOT EXISTS (SELECT FROM segment_search x WHERE x.job_id = s.job_id AND x.position = s.position)"""


async def search(
    connection: Connection,
    text: str,
    *,
    language: str | None,
    after: SearchCursor | None,
    limit: int,
    seconds: float = SECONDS,
) -> SearchResults:
    """Search for up to `limit` hits after a cursor, in a tenant's transaction; `text` in websearch_to_tsquery syntax.

    Raises Rejected(invalid_request) for a text without a word to search for, and Rejected(search_too_broad) when the
    database is not done within `seconds`.
    """
    values = {
        "text": sanitize_text(text),
        "language": language,
        "at": after and after.requested_at,
        "job_id": after and after.job_id,
        "position": after and after.position,
        "most": limit + 1,
    }
    async with limited(connection, seconds):
        asked = await (await connection.execute(_ASKED, values)).fetchone()
        common = tuple(asked["too_common"]) if asked else ()
        if asked is None or asked["for_nothing"]:
            message = _for_nothing(common)
            raise Rejected("invalid_request", f"q: {message}", ({"field": "q", "message": message},))
        rows = await (await connection.execute(_SEARCH, values)).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    # one that was deleted while it was searched has no text any more
    return SearchResults(
        tuple(_hit(row) for row in rows[:limit] if row["words"]), _place(last) if last else None, common
    )


def _for_nothing(common: Sequence[str]) -> str:
    if not common:
        return "has no word that must be there"
    return f"has only words that are too common to be searched for ({', '.join(common)}): add a rarer one"


def snippet(words: Sequence[str], marks: Sequence[bool], most: int = SNIPPET_WORDS) -> tuple[Snippet, ...]:
    """A snippet of at most `most` words from shortly before the first match, in pieces that join to the text."""
    first = marks.index(True) if True in marks else 0
    begin = max(0, min(first - _BEFORE_MATCH, len(words) - most))
    shown = list(zip(words, marks, strict=True))[begin : begin + most]
    pieces: list[Snippet] = []
    for match, group in groupby(shown, key=lambda pair: pair[1]):
        text = " ".join(word for word, _ in group)
        pieces.append(Snippet(text if match else f"{' ' if pieces else ''}{text} ", match))
    if pieces and not pieces[-1].match:
        pieces[-1] = Snippet(pieces[-1].text.rstrip(), False)
    before = (Snippet("… ", False),) if begin else ()
    after = (Snippet(" …", False),) if begin + most < len(words) else ()
    return _joined((*before, *pieces, *after))


async def index_missing(database: Database) -> int:
    """Index the segments that are not yet, or in a language that is not theirs, a hundred jobs a transaction; returns how many segments were added."""
    total, after = 0, UUID(int=0)
    while True:
        async with database.transaction() as connection:
            locked = await (await connection.execute(_LOCK_JOBS, [after, _JOBS_AT_ONCE])).fetchall()
            if not locked:
                return total
            jobs = [row["job_id"] for row in locked]
            await connection.execute(_TAKE_OUT, [jobs])
            total += (await connection.execute(_INDEX, [jobs])).rowcount
            after = jobs[-1]


def _joined(pieces: Sequence[Snippet]) -> tuple[Snippet, ...]:
    groups = groupby(pieces, key=lambda piece: piece.match)
    return tuple(Snippet("".join(piece.text for piece in group), match) for match, group in groups)


def _place(row: DictRow) -> SearchCursor:
    return SearchCursor(row["requested_at"], row["job_id"], row["position"])


def _hit(row: DictRow) -> Hit:
    return Hit(
        job_id=row["job_id"],
        recording_id=row["recording_id"],
        name=row["source"] and recording_name(row["source"]["uri"], row["source"].get("name")),
        language=row["language"],
        requested_at=row["requested_at"],
        position=row["position"],
        start=row["start_s"],
        end=row["end_s"],
        speaker=row["speaker"],
        snippet=snippet(row["words"], row["marks"]),
    )
