"""What the search index costs whoever writes, and what a search costs: `python -m tests.bench.search`.

Segments are copied as the persist app copies them, with the index and without it, in turns. Then a tenant searches its
share of all segments for words of which few, many and all have some.
"""

import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.postgres import Postgres
from sink.postgres.migrate import migrate

SPOKEN = {
    "en": "the customer asked whether a refund is possible under the policy for damaged goods that came late in march",
    "he": "שלום אני מתקשר בקשר להחזר הכספי שביקשתי בשבוע שעבר ועדיין לא קיבלתי את הכסף לחשבון הבנק של המשפחה",
}
WORDS, SEGMENTS = 20, 50  # of a segment, of a job
COPY = "COPY segments (job_id, position, start_s, end_s, text, words) FROM STDIN"
ASKED = {
    "a word of one in 5,000": "rare",
    "two words, one of them as rare": "customer rare",
    "a word that all have": "said",
}


def write(connection: psycopg.Connection, language: str, jobs: int, seed: int) -> float:
    """Commit so many jobs with their segments; returns milliseconds a segment."""
    chance, spoken = random.Random(seed), SPOKEN[language].split()
    ids = [uuid.UUID(int=chance.getrandbits(128)) for _ in range(jobs)]
    with connection.transaction():
        for number, job_id in enumerate(ids):
            connection.execute(
                "INSERT INTO jobs (job_id, tenant, state, request, language, requested_at)"
                " VALUES (%s, %s, 'completed', '{}', %s, now() - make_interval(mins => %s))",
                [job_id, "acme" if number % 2 else "globex", language, chance.randrange(100_000)],
            )
        rows = [(job_id, position, *spoken_by(chance, spoken)) for job_id in ids for position in range(SEGMENTS)]
        begun = time.perf_counter()
        with connection.cursor().copy(COPY) as copy:
            for job_id, position, text, words in rows:
                copy.write_row((job_id, position, 1.0, 2.0, text, words))
    return (time.perf_counter() - begun) * 1000 / len(rows)


def spoken_by(chance: random.Random, spoken: list[str]) -> tuple[str, str]:
    """The text and the words of one segment."""
    text = [*chance.choices(spoken, k=WORDS - 1), "said", *(["rare"] if chance.random() < 1 / 5000 else [])]
    words = ", ".join(f'{{"start": 1.5, "end": 2.5, "text": "{word}", "probability": 0.5}}' for word in text)
    return " ".join(text), f"[{words}]"


def cost_of_writing(connection: psycopg.Connection, language: str, rounds: int) -> tuple[float, float]:
    """Median milliseconds a segment without the index, and with it."""
    without, having = [], []
    for seed in range(rounds):
        connection.execute("ALTER TABLE segments DISABLE TRIGGER search_added")
        without.append(write(connection, language, 40, 2 * seed))
        connection.execute("ALTER TABLE segments ENABLE TRIGGER search_added")
        having.append(write(connection, language, 40, 2 * seed + 1))
    connection.execute("DELETE FROM jobs")
    return statistics.median(without), statistics.median(having)


def cost_of_searching(connection: psycopg.Connection, text: str) -> float:
    """Median milliseconds of the first page of a tenant."""
    took = []
    for _ in range(20):
        with connection.transaction():
            connection.execute(
                "SELECT set_config('role', 'scribe_tenant', true), set_config('scribe.tenant', 'acme', true)"
            )
            begun = time.perf_counter()
            connection.execute("SELECT * FROM scribe_search(%s, NULL, NULL, NULL, NULL, 21)", [text]).fetchall()
            took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def lines(connection: psycopg.Connection, jobs: int, rounds: int) -> Iterator[tuple[str, str]]:
    """What was measured, and the result."""
    for language in SPOKEN:
        without, having = cost_of_writing(connection, language, rounds)
        yield (
            f"ms to write a segment ({language}), index off and on",
            f"{without:.3f}, {having:.3f}: {having / without:.2f} times",
        )
    for seed in range(jobs // 100):
        write(connection, "en", 100, 1000 + seed)
    connection.execute("VACUUM ANALYZE segment_search")
    for what, text in ASKED.items():
        yield f"ms to find {what} in {jobs * SEGMENTS:,} segments", f"{cost_of_searching(connection, text):.1f}"


def main(
    jobs: Annotated[int, typer.Option(help="Jobs of 50 segments to search in.")] = 4000,
    rounds: Annotated[int, typer.Option(help="Rounds of writing with the index and without.")] = 9,
) -> None:
    """Measure on a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(
            Path(folder), ports.choose(("postgres",), {}, {}), uuid.uuid4().hex, owned=True, durable=False
        )
        server.start()
        try:
            migrate(server.dsn())
            table = Table("what", "result", box=None, header_style="bold", padding=(0, 2, 0, 0))
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                for line in lines(connection, jobs, rounds):
                    table.add_row(*line)
            Console().print(table)
        finally:
            server.stop()


if __name__ == "__main__":
    typer.run(main)
