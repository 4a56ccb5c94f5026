"""Segments of a job as rows: one row per segment, its words in one column."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import TypeAdapter

from schemas.transcript import Transcript, Word
from sink.postgres.database import Connection

# COPY took half the time of executemany, and a tenth of that of json_to_recordset over whole transcripts
_COPY = "COPY segments (job_id, position, start_s, end_s, speaker, channel, text, words, language) FROM STDIN"
_WORDS = TypeAdapter(tuple[Word, ...])


async def replace_segments(
    connection: Connection, job_ids: Sequence[UUID], transcripts: Mapping[UUID, Transcript]
) -> None:
    """Replace the segments of these jobs by those of their transcripts; none for a job without a transcript."""
    await connection.execute("DELETE FROM segments WHERE job_id = ANY(%s)", [list(job_ids)])
    if not any(transcript.segments for transcript in transcripts.values()):
        return
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for job_id, transcript in transcripts.items():
            for position, s in enumerate(transcript.segments):
                words = _WORDS.dump_json(s.words).decode()
                row = (job_id, position, s.start, s.end, s.speaker, s.channel, s.text, words, s.language)
                await copy.write_row(row)
