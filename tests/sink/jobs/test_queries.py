"""Reading jobs: a transcript is read back as it was kept."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from gpu_consumers.core.speech.merge import segments_of
from gpu_consumers.core.speech.spacing import tidy
from schemas.events import JobResult, Outcome
from schemas.settings.stores import PostgresSettings
from schemas.transcript import Transcript, Word
from schemas.wire.records import Record
from sink.jobs import queries
from sink.jobs.results import StoredTranscript, apply_result
from sink.postgres.database import Database
from tests.samples import AT, FULL_REQUEST, TRANSCRIPT

pytestmark = pytest.mark.anyio
RECORD = Record("scribe.jobs", b"key", b"value", {"ce_id": "1"})


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as opened:
        yield opened


# tokens as a model writes them, with their blanks
WRITTEN = {
    "en": (
        *(" It", "'s", " five", " o", "'clock", " -", " the", " open", "-source", " project", "'s", " costs", ":"),
        *(" $", "1", ",250", ".50", " (", "3", ".5", "%", ")", ",", ' "', "not", " 10", ":", "30", '"', "..."),
    ),
    "he": (" דו", '"', "ח", " של", " צה", "״", "ל", ":", " 3", ".5", "%", " ב", "-", "10", ":", "30", "."),
    "ja": ("彼", "は", "3", ".5", "%", "と", "言", "った", "。"),
}


def written(language: str) -> Transcript:
    pieces = WRITTEN[language]
    words = tidy((Word(start=n / 4, end=n / 4 + 0.2, text=piece) for n, piece in enumerate(pieces)), 60.0)
    return Transcript(language=language, duration=60.0, segments=segments_of(words, language))


@pytest.mark.parametrize("language", WRITTEN)
def test_a_transcript_of_signs_is_what_the_model_wrote(language: str) -> None:
    assert written(language).text == "".join(WRITTEN[language]).strip()


@pytest.mark.parametrize("transcript", [TRANSCRIPT, *map(written, WRITTEN)], ids=["sample", *WRITTEN])
async def test_the_transcript_is_read_back_as_it_was_kept(transcript: Transcript, database: str) -> None:
    """Its rows say the same, sign by sign and blank by blank."""
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db:
        async with db.transaction() as connection:
            result = JobResult(
                event_id=uuid4(),
                job_id=FULL_REQUEST.job_id,
                run=FULL_REQUEST.run,
                tenant="acme",
                request=FULL_REQUEST,
                outcome=Outcome.COMPLETED,
                completed_at=AT,
            )
            await apply_result(connection, result, StoredTranscript(transcript, "s3://scribe/t.json"))
        async with db.connection() as connection:
            job = await queries.find(connection, FULL_REQUEST.job_id, "acme")
            assert job
            assert await queries.transcript(connection, job) == transcript
            rows = await connection.execute("SELECT text, words FROM segments ORDER BY position")
            for segment, (text, words) in zip(
                transcript.segments, [(r["text"], r["words"]) for r in await rows.fetchall()], strict=True
            ):
                assert text == segment.text
                assert [Word(**word) for word in words] == list(segment.words)


async def test_there_is_no_job_of_an_unknown_id(database: str) -> None:
    async with Database.open(PostgresSettings(postgres_dsn=database)) as db, db.connection() as connection:
        assert await queries.find(connection, uuid4(), "acme") is None
