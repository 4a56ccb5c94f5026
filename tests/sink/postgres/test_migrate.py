"""Migrations: once, in order, whole or not at all, whoever else does the same."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from schemas.errors import Fatal, Outage
from sink.postgres.migrate import FOLDER, Migration, migrate, pending, read
from tests.integration.faust_process import until

FIRST, SECOND, THIRD = (Migration(f"000{n}_{n}.sql", f"SELECT {n}") for n in (1, 2, 3))
BUILDING = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%INDEX CONCURRENTLY%'"
    " AND wait_event_type = 'Lock'"
)
RELEASED = Path(__file__).with_name(
    "released_migrations.txt"
)  # as sha256sum writes them; a new file gets its line here
APPLIED = {FIRST.name: FIRST.sha256, SECOND.name: SECOND.sha256}


@pytest.fixture
def empty(database: str) -> str:
    """A database in which no migration was ever applied."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return database


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {str(name) for (name,) in rows}


def test_only_what_is_missing_is_pending_in_order() -> None:
    assert pending((FIRST, SECOND, THIRD), {}) == (FIRST, SECOND, THIRD)
    assert pending((FIRST, SECOND, THIRD), APPLIED) == (THIRD,)
    assert pending((FIRST, SECOND), APPLIED) == ()


def test_a_migration_stays_as_it_was_released() -> None:
    """Databases know the text that they were made with, comments included: another one stops every process at its start."""
    released = [line.split() for line in RELEASED.read_text().splitlines()]
    assert [[migration.sha256, migration.name] for migration in read(FOLDER)] == released


def test_a_version_works_beside_a_newer_one() -> None:
    assert pending((FIRST,), APPLIED) == ()


@pytest.mark.parametrize(
    ("migrations", "applied", "why"),
    [
        ((Migration(FIRST.name, "SELECT 9"), SECOND), APPLIED, "0001_1.sql was changed"),
        ((FIRST, THIRD), APPLIED, "has migration 0002_2.sql"),
        ((FIRST, SECOND), {SECOND.name: SECOND.sha256}, "0001_1.sql comes before"),
    ],
)
def test_files_that_do_not_fit_the_database_are_refused(
    migrations: tuple[Migration, ...], applied: dict[str, str], why: str
) -> None:
    with pytest.raises(Fatal, match=why):
        pending(migrations, applied)


def test_each_file_has_a_number_of_its_own() -> None:
    numbers = [int(migration.name[:4]) for migration in read(FOLDER)]
    assert numbers == sorted(set(numbers))


def test_an_empty_database_becomes_ours_once(empty: str) -> None:
    assert migrate(empty) == tuple(migration.name for migration in read(FOLDER))
    assert {"jobs", "outbox", "api_keys", "webhook_deliveries"} <= tables(empty)
    assert migrate(empty) == ()


def test_a_migration_that_fails_leaves_nothing_and_says_which(empty: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (id int);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id int); CREATE TABLE good (id int);")
    with pytest.raises(Fatal, match=r"0002_bad\.sql cannot be applied"):
        migrate(empty, tmp_path)
    assert tables(empty) == {"schema_migrations", "good"}
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE whole (id int);")
    assert migrate(empty, tmp_path) == ("0002_bad.sql",)


def test_indexes_are_built_beside_writers_and_again_when_a_build_was_cut_off(empty: str, tmp_path: Path) -> None:
    (tmp_path / "0001_table.sql").write_text("CREATE TABLE things (id int, name text);")
    migrate(empty, tmp_path)
    with psycopg.connect(empty) as writer, psycopg.connect(empty, autocommit=True) as other:
        other.execute("INSERT INTO things VALUES (1, 'a'), (1, 'b')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            other.execute("CREATE UNIQUE INDEX CONCURRENTLY things_by_id ON things (id)")
        other.execute("DELETE FROM things WHERE name = 'b'")
        (tmp_path / "0002_indexes.concurrently.sql").write_text(
            "-- left invalid; built again\n"
            "CREATE UNIQUE INDEX CONCURRENTLY things_by_id ON things (id);\n"
            "CREATE INDEX CONCURRENTLY things_by_name ON things (name);\n"
        )
        with ThreadPoolExecutor(2) as pool:
            writer.execute("INSERT INTO things VALUES (2, 'c')")
            both = [pool.submit(migrate, empty, tmp_path) for _ in range(2)]
            until("a build waits", lambda: other.execute(BUILDING).fetchone() is not None)
            other.execute("INSERT INTO things VALUES (3, 'd')")
            writer.commit()
            assert sorted(done.result(120) for done in both) == [(), ("0002_indexes.concurrently.sql",)]
        valid = other.execute("SELECT bool_and(indisvalid), count(*) FROM pg_index WHERE indrelid = 'things'::regclass")
        assert valid.fetchone() == (True, 2)


def test_large_tables_get_indexes_without_a_transaction_only() -> None:
    """A table that an earlier file made may be large by now."""
    known: set[str] = set()
    for migration in read(FOLDER):
        indexed = set(re.findall(r"CREATE (?:UNIQUE )?INDEX \w+ ON (\w+)", migration.text))
        made = set(re.findall(r"CREATE TABLE (\w+)", migration.text))
        late = indexed & (known - made)
        assert not late or migration.name < "0006", f"{migration.name} locks {late}: see sink/postgres/migrate.py"
        known |= made


def test_functions_and_percent_signs_are_taken_as_they_are(empty: str, tmp_path: Path) -> None:
    (tmp_path / "0001_function.sql").write_text(
        "-- a comment; with a semicolon, 100 %\n"
        "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN '%s:x'; END; $$;"
    )
    migrate(empty, tmp_path)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT f()").fetchone() == ("%s:x",)


def test_instances_that_start_together_apply_everything_once(empty: str) -> None:
    command = [sys.executable, "-m", "sink.postgres.migrate"]
    environment = {**os.environ, "SCRIBE_POSTGRES_DSN": empty}

    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(run, range(4)))
    assert [end.returncode for end in ends] == [0] * 4, [end.stderr for end in ends]
    said = sorted(end.stdout for end in ends)
    assert (
        said
        == ["".join(f"applied {migration.name}\n" for migration in read(FOLDER))] + ["the database is up to date\n"] * 3
    )


def test_the_lock_of_a_killed_instance_holds_nobody_up(empty: str) -> None:
    """A session that held the lock and was ended by the server leaves none behind."""
    with psycopg.connect(empty, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [0x5C12BE])
        with psycopg.connect(empty, autocommit=True) as killer:
            killer.execute(sql.SQL("SELECT pg_terminate_backend({})").format(holder.info.backend_pid))
    assert migrate(empty) != ()


def test_a_database_that_is_away_is_an_outage(deaf_port: int) -> None:
    with pytest.raises(Outage, match="refused"):
        migrate(make_conninfo(host="127.0.0.1", port=deaf_port, dbname="x"))


def test_the_command_says_in_one_line_what_is_wrong(deaf_port: int) -> None:
    for dsn in (f"postgresql://127.0.0.1:{deaf_port}/x", "not a dsn"):
        end = subprocess.run(
            [sys.executable, "-m", "sink.postgres.migrate"],
            env={**os.environ, "SCRIBE_POSTGRES_DSN": dsn},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (end.returncode, end.stdout) == (1, "")
        assert len(end.stderr.splitlines()) == 1
